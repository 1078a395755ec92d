/** static beside the reference plugin: the same answers to the same questions. */
import '../box.ts';
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { staticIpam } from '../../../src/cni/plugins/static.ts';
import { type AnyCall, callOf } from '../../unit/cni/plugins/host-local/call.ts';

type Answer = [address: string, gateway: string | undefined][] | undefined;

function reference({ config, runtimeConfig, args }: AnyCall): Answer {
  const { exitCode, stdout } = Bun.spawnSync(['/usr/lib/cni/static'], {
    env: {
      ...{
        CNI_COMMAND: 'ADD',
        CNI_CONTAINERID: 'c1',
        CNI_IFNAME: 'eth0',
        CNI_NETNS: '/run/netns/x',
        CNI_PATH: '/usr/lib/cni',
      },
      CNI_ARGS: args.map(pair => pair.join('=')).join(';'),
    },
    stdin: new TextEncoder().encode(JSON.stringify({ ...config, cniVersion: '1.0.0', runtimeConfig })),
  });
  if (exitCode !== 0) return undefined;
  const { ips = [] }: { ips?: { address: string; gateway?: string }[] } = JSON.parse(stdout.toString());
  return ips.map(({ address, gateway }) => [address, gateway]);
}

async function ours(call: AnyCall): Promise<Answer> {
  const result = await staticIpam.add(call).catch(() => undefined);
  return result?.ips.map(({ address, gateway }) => [address, gateway]);
}

const gateway = fc.constantFrom('10.1.0.1', '10.2.0.1', 'fd00::1', 'fd00:0::0:1', 'none');
const WRONG = ['10.1.0.5', 'x/24', '10.1.0.5/33'];
const cidr = fc.constantFrom('10.1.0.5/24', '10.2.0.0/8', 'fd00:0::5/64', '::1/128', '0.0.0.0/0', ...WRONG);
const addresses = fc.array(
  fc.record(
    { address: cidr, gateway: fc.constantFrom('10.1.0.1', 'fd00:0::1', '192.0.2.1', '') },
    { requiredKeys: ['address'] },
  ),
  { maxLength: 3 },
);
const list = fc.array(cidr, { maxLength: 2 });
const cniArgs = fc.record(
  { IP: fc.array(cidr, { maxLength: 2 }), GATEWAY: fc.array(gateway, { maxLength: 2 }) },
  { requiredKeys: [] },
);

test('any of the ways to name addresses, and any mixture, gives the same addresses and gateways, or an error', async () => {
  const seen = { given: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(addresses, list, list, cniArgs, async (addresses, ofArgs, ofRuntime, { IP, GATEWAY }) => {
      const configured = addresses.map(({ address }) => address);
      const pairs = Object.entries({ IgnoreUnknown: ['1'], ...(IP && { IP }), ...(GATEWAY && { GATEWAY }) });
      const made = callOf({ type: 'static', addresses }, { runtimeConfig: { ips: ofRuntime } });
      const call = {
        ...made,
        config: { ...made.config, args: { cni: { ips: ofArgs } } },
        args: pairs.map(([key, values]) => [key, values.join(',')] as const),
      };
      const shadowed = ofRuntime.length > 0 ? [...configured, ...ofArgs] : ofArgs.length > 0 ? configured : [];
      // What is not used the reference plugin does not look at.
      const expected = shadowed.some(text => WRONG.includes(text)) ? undefined : reference(call);
      expect(await ours(call)).toEqual(expected);
      if (expected === undefined) seen.refused++;
      else seen.given += expected.length;
    }),
    { numRuns: 200 },
  );
  expect(seen.given).toBeGreaterThan(0);
  expect(seen.refused).toBeGreaterThan(0);
}, 60_000);
