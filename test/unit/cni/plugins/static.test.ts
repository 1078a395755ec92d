import { describe, expect, test } from 'bun:test';
import type { JsonObject } from '../../../../src/cni/json.ts';
import { staticIpam } from '../../../../src/cni/plugins/static.ts';
import { type AnyCall, callOf, refusal } from './host-local/call.ts';

const A = { address: '10.1.0.5/24', gateway: '10.1.0.1' };
const call = (ipam: JsonObject = { addresses: [A] }, more: Partial<AnyCall> = {}) =>
  callOf({ type: 'static', ...ipam }, more);
const withArgs = (ips: string[], made = call()): AnyCall => ({
  ...made,
  config: { ...made.config, args: { cni: { ips } } },
});
const add = async (made: AnyCall) => (await staticIpam.add(made)).ips.map(({ address, gateway }) => [address, gateway]);

describe('ADD', () => {
  test('gives what stands in the configuration', async () => {
    const routes = [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }];
    const dns = { nameservers: ['192.0.2.53'], domain: 'a', search: ['b'], options: ['ndots:5'] };
    const result = await staticIpam.add(
      call({ addresses: [A, { address: 'fd00:0::5/64', gateway: '' }], routes, dns }),
    );
    expect(result).toMatchObject({ cniVersion: '1.1.0', interfaces: [], routes, dns });
    expect(await add(call({ addresses: [A, { address: 'fd00:0::5/64', gateway: '' }] }))).toEqual([
      ['10.1.0.5/24', '10.1.0.1'],
      ['fd00::5/64', undefined],
    ]);
    expect(await add(call({}))).toEqual([]);
  });

  test('CNI_ARGS adds addresses, and gives them, not those of the configuration, their gateways', async () => {
    const args = [
      ['IgnoreUnknown', '1'],
      ['IP', '10.2.0.5/24, fd00::5/64,10.3.0.5/24'],
      ['GATEWAY', '10.1.0.9,10.2.0.1, 10.2.0.2,fd00::1'],
    ] as const;
    expect(await add(call(undefined, { args }))).toEqual([
      ['10.1.0.5/24', '10.1.0.1'],
      ['10.2.0.5/24', '10.2.0.2'],
      ['fd00::5/64', 'fd00::1'],
      ['10.3.0.5/24', undefined],
    ]);
  });

  test('args stand before that, and runtimeConfig before all', async () => {
    const args = [['IP', '10.2.0.5/24']] as const;
    const made = withArgs(['10.3.0.5/24'], call(undefined, { args }));
    expect(await add(made)).toEqual([['10.3.0.5/24', undefined]]);
    expect(await add({ ...made, runtimeConfig: { ips: ['10.4.0.5/24'] } })).toEqual([['10.4.0.5/24', undefined]]);
  });

  test.each<[string, AnyCall, number, string]>([
    ['no ipam', { ...call(), config: {} }, 7, 'ipam: is missing'],
    ['addresses that are no list', call({ addresses: 'all' }), 7, 'ipam.addresses'],
    ['an address without a length', call({ addresses: [{ address: '10.1.0.5' }] }), 7, 'not "10.1.0.5"'],
    ['a gateway that is none', call({ addresses: [{ ...A, gateway: 'none' }] }), 7, 'ipam.addresses.0.gateway'],
    ['a route that is none', call({ routes: [{ dst: 'x' }] }), 7, 'ipam.routes.0.dst'],
    ['IP without a length', call(undefined, { args: [['IP', '10.2.0.5']] }), 4, 'CNI_ARGS: IP'],
    ['GATEWAY that is none', call(undefined, { args: [['GATEWAY', 'x']] }), 4, 'CNI_ARGS: GATEWAY'],
    [
      'runtimeConfig without a length',
      call(undefined, { runtimeConfig: { ips: ['10.2.0.5'] } }),
      7,
      'runtimeConfig.ips',
    ],
    ['args without a length', withArgs(['10.2.0.5']), 7, 'args.cni.ips'],
  ])('%s is refused', async (_, made, code, msg) => {
    expect(await refusal(staticIpam.add(made))).toMatchObject({ code, msg: expect.stringContaining(msg) });
  });
});

describe('CHECK', () => {
  const prevResult = (...ips: { address: string; gateway?: string }[]) => ({
    cniVersion: '1.1.0' as const,
    interfaces: [],
    ips: ips.map(({ address, gateway }) => ({ address, gateway, interface: undefined })),
    routes: [],
  });

  test('compares addresses and gateways with the result of the ADD', async () => {
    await staticIpam.check(call(undefined, { prevResult: prevResult({ address: '10.9.0.1/24' }, A) }));
    await staticIpam.check(call({ addresses: [{ address: A.address }] }, { prevResult: prevResult(A) }));
    const moved = call(undefined, { prevResult: prevResult({ ...A, gateway: '10.1.0.9' }) });
    expect((await refusal(staticIpam.check(moved))).details).toContain('has the gateway 10.1.0.9');
    const gone = call(undefined, { prevResult: prevResult() });
    expect((await refusal(staticIpam.check(gone))).details).toContain('is not in prevResult');
    expect(await refusal(staticIpam.check(call()))).toMatchObject({ code: 7 });
  });
});

test('DEL and GC have nothing to do, STATUS looks at the configuration', async () => {
  await staticIpam.del(call({ addresses: 'x' }));
  await staticIpam.gc(call({ addresses: 'x' }));
  await staticIpam.status(call());
  expect(await refusal(staticIpam.status(call({ addresses: 'x' })))).toMatchObject({ code: 7 });
});
