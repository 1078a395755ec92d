/** bridge: DEL in every state that a container can be in, GC, CHECK, and MACs that are not a container's own. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import type { JsonObject } from '../../../src/cni/json.ts';
import { perform } from '../../../src/cni/plugins/perform.ts';
import type { Result } from '../../../src/cni/result.ts';
import { nftList, run } from '../netlink/outside.ts';
import {
  add,
  addContainer,
  addresses,
  answers,
  check,
  clear,
  del,
  holdNamespace,
  link,
  netnsOf,
  network,
  refusal,
  traces,
  V4,
  V6,
} from './bridged.ts';

const IDS = ['a', 'b', 'c'];
beforeEach(() => {
  clear();
  for (const id of IDS) addContainer(id);
});
afterEach(clear);

const full = network({ isGateway: true, ipMasq: true, macspoofchk: true }, [V4, V6]);
const portOf = ({ interfaces }: Result) => interfaces[1]?.name ?? '';

describe('DEL', () => {
  const empty = { rules: '', reservations: [] };

  test('with the namespace gone', async () => {
    await add(full, { id: 'a' });
    run('ip', 'netns', 'del', 'a');
    await del(full, { id: 'a' });
    expect(traces()).toMatchObject(empty);
    await del(full, { id: 'a', netns: '' });
  });

  test('with the namespace nameless, but held by a process', async () => {
    const result = await add(full, { id: 'a' });
    await using _ = await holdNamespace('a');
    run('ip', 'netns', 'del', 'a');
    expect(link(portOf(result))).toBeDefined();
    await del(full, { id: 'a', netns: '' });
    expect(traces()).toEqual({ ...empty, links: ['lo', 'br0'] });
  });

  test('takes nothing but the attachment', async () => {
    const [, second] = [await add(full, { id: 'a' }), await add(full, { id: 'b' })];
    await del(full, { id: 'a' });
    expect(link('eth0', 'b')?.operstate).toBe('UP');
    await check(full, { id: 'b' }, second);
    expect(nftList('ruleset')).not.toContain('lab a/eth0');
  });

  test('without IPAM, and of the second of two interfaces', async () => {
    const first = await add(network(), { id: 'a', ifName: 'eth0' });
    await add(network(), { id: 'a', ifName: 'eth1' });
    await del(network(), { id: 'a', ifName: 'eth1' });
    expect(link('eth1', 'a')).toBeUndefined();
    await check(network(), { id: 'a' }, first);
  });

  test('of what was refused, as the name was taken by another attachment, leaves that one alone', async () => {
    const first = await add(full, { id: 'a' });
    const other = network({ name: 'other', bridge: 'br1', isGateway: true }, ['10.78.0.0/24']);
    await refusal(add(other, { id: 'a' }));
    await del(other, { id: 'a' });
    await check(full, { id: 'a' }, first);
  });

  test('of what the reference plugin has made takes the interface in the container', async () => {
    const environment = { PATH: process.env.PATH, CNI_PATH: '/usr/lib/cni', CNI_COMMAND: 'ADD', CNI_IFNAME: 'eth0' };
    const config = network({ cniVersion: '1.0.0', isGateway: true }, [V4]);
    const { exitCode } = Bun.spawnSync(['/usr/lib/cni/bridge'], {
      stdin: Buffer.from(JSON.stringify(config)),
      env: { ...environment, CNI_CONTAINERID: 'a', CNI_NETNS: netnsOf('a') },
    });
    expect(exitCode).toBe(0);
    expect(addresses('eth0', 'a')).toEqual(['10.77.0.2/24']);
    await del(config, { id: 'a' });
    expect(link('eth0', 'a')).toBeUndefined();
    expect(traces()).toEqual({ ...empty, links: ['lo', 'br0'] });
  });

  test('goes on after a failure, and tells of it', async () => {
    await add(full, { id: 'a' });
    const error = await refusal(del({ ...full, ipam: { type: 'no-such-plugin' } }, { id: 'a' }));
    expect(error.message).toContain('no-such-plugin');
    expect(traces()).toMatchObject({ links: ['lo', 'br0'], rules: '' });
    await del(full, { id: 'a' });
    expect(traces()).toMatchObject(empty);
  });

  test('leaves what has the name of a container’s interface and is none', async () => {
    run('ip', '-n', 'a', 'link', 'add', 'eth0', 'type', 'bridge');
    await del(full, { id: 'a' });
    expect(link('eth0', 'a')).toBeDefined();
  });
});

describe('GC', () => {
  const gc = async (config: JsonObject, ids: readonly string[]) => {
    const valid = ids.map(containerID => ({ containerID, ifname: 'eth0' }));
    const request = { plugin: 'bridge', command: 'GC', path: ['/usr/lib/cni'] } as const;
    await perform({ ...request, config: { ...config, 'cni.dev/valid-attachments': valid } });
  };

  test('takes what is of this network and not valid, whether the container is there or not', async () => {
    const other = network({ name: 'other', ipMasq: true, macspoofchk: true }, ['10.78.0.0/24']);
    const [a, b] = [await add(full, { id: 'a' }), await add(full, { id: 'b' })];
    const c = await add(other, { id: 'c' });
    run('ip', 'link', 'add', 'foreign', 'master', 'br0', 'type', 'veth', 'peer', 'name', 'other');
    run('ip', 'netns', 'del', 'b');
    await gc(full, ['a']);
    expect(link(portOf(b))).toBeUndefined();
    expect(nftList('ruleset')).not.toContain('lab b/eth0');
    expect(traces().reservations.filter(file => file.includes('10.77.0.3'))).toEqual([]);
    await check(full, { id: 'a' }, a);
    await check(other, { id: 'c' }, c);
    expect(link('foreign')).toBeDefined();

    await gc(full, []);
    expect(link(portOf(a))).toBeUndefined();
    expect(link('eth0', 'a')).toBeUndefined();
    await check(other, { id: 'c' }, c);
    await gc(other, []);
    expect(traces()).toEqual({ rules: '', reservations: [], links: ['lo', 'br0', 'other', 'foreign'] });
  });
});

describe('CHECK', () => {
  test.each([
    ['the bridge is gone', ['ip', 'link', 'del', 'br0'], /br0 is gone/],
    ['the bridge is down', ['ip', 'link', 'set', 'br0', 'down'], /br0 is down/],
    [
      'the bridge is promiscuous',
      ['ip', 'link', 'set', 'br0', 'promisc', 'on'],
      /promiscuous mode of bridge br0 is on/,
    ],
    ['the bridge has lost its address', ['ip', 'addr', 'del', '10.77.0.1/24', 'dev', 'br0'], /br0 has no address/],
    ['the port is in no bridge', ['ip', 'link', 'set', 'PORT', 'nomaster'], /is no port of bridge br0/],
    [
      'the port is not isolated',
      ['bridge', 'link', 'set', 'dev', 'PORT', 'isolated', 'off'],
      /isolation of veth.* is off/,
    ],
    ['the interface is gone', ['ip', '-n', 'a', 'link', 'del', 'eth0'], /eth0 in .* is gone/],
    [
      'its MAC is another',
      ['ip', '-n', 'a', 'link', 'set', 'eth0', 'address', '02:00:00:00:00:09'],
      /eth0 has the MAC/,
    ],
    [
      'an address is gone',
      ['ip', '-n', 'a', 'addr', 'del', 'fd77::2/64', 'dev', 'eth0'],
      /eth0 has no address fd77::2/,
    ],
    ['a route is gone', ['ip', '-n', 'a', '-6', 'route', 'del', 'default'], /no route to ::\/0/],
    ['frames are not checked', ['nft', 'delete', 'table', 'bridge', 'kukeon'], /macspoofchk/],
    ['nothing is masqueraded', ['nft', 'delete', 'table', 'inet', 'kukeon'], /ipMasq/],
  ] as [string, string[], RegExp][])('%s', async (_, command, msg) => {
    const config = { ...full, isDefaultGateway: true, portIsolation: true };
    const result = await add(config, { id: 'a' });
    await check(config, { id: 'a' }, result);
    run(...command.map(word => (word === 'PORT' ? portOf(result) : word)));
    expect((await refusal(check(config, { id: 'a' }, result))).msg).toMatch(msg);
  });

  test('without a prevResult, or with one of another container', async () => {
    const result = await add(full, { id: 'a' });
    expect((await refusal(check(full, { id: 'a' }, { ...result, interfaces: [], ips: [] }))).code).toBe(7);
    await add(full, { id: 'b' });
    expect((await refusal(check(full, { id: 'b' }, result))).message).toMatch(/.../);
  });
});

test('frames under another MAC are dropped, those of others and of unchecked ports are not', async () => {
  await add(full, { id: 'a' });
  await add(network({ isGateway: true }, [V4, V6]), { id: 'b' });
  expect(await answers('a', '10.77.0.1')).toBe(true);
  for (const id of ['a', 'b']) run('ip', '-n', id, 'link', 'set', 'eth0', 'address', '02:00:00:00:00:0a');
  expect(await answers('a', '10.77.0.1')).toBe(false);
  expect(await answers('a', 'fd77::1')).toBe(false);
  run('ip', '-n', 'a', 'link', 'set', 'eth0', 'down');
  expect(await answers('b', '10.77.0.1')).toBe(true);
});
