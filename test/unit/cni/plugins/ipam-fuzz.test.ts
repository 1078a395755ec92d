/** Whatever the configuration says, an IPAM plugin answers with a result or an error of its own, and keeps to its folder. */
import { expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { hostLocal } from '../../../../src/cni/plugins/host-local/host-local.ts';
import { PluginError } from '../../../../src/cni/plugins/plugin-error.ts';
import { staticIpam } from '../../../../src/cni/plugins/static.ts';
import { callOf, dataDir } from './host-local/call.ts';

const text = fc.oneof(
  fc.constantFrom(
    '10.1.0.0/24',
    '10.1.0.0/8',
    'fd00::/64',
    '10.1.0.5',
    'fd00::5',
    '::ffff:10.1.0.0/120',
    '0.0.0.0/0',
    '::/0',
  ),
  fc.constantFrom(
    '',
    '/',
    '10.1.0.0/',
    '10.1.0.0/33',
    '1e3',
    'NaN',
    '..',
    '/24',
    '10.1.0.0/24/24',
    '10.1.0.5/24',
    '\0',
  ),
  fc.string({ maxLength: 8 }),
);
const odd = fc.oneof({ weight: 6, arbitrary: text }, { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) });
const of = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 6, arbitrary: value }, { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) });
const range = fc.record({ subnet: odd, rangeStart: odd, rangeEnd: odd, gateway: odd }, { requiredKeys: [] });
const list = <T>(value: fc.Arbitrary<T>) => of(fc.array(value, { maxLength: 3 }));
const routes = list(fc.record({ dst: odd, gw: odd, mtu: odd }, { requiredKeys: [] }));
const ips = fc.record({ ips: list(odd), ipRanges: list(list(range)) }, { requiredKeys: [] });
const keys = {
  ranges: list(list(range)),
  subnet: odd,
  rangeStart: odd,
  rangeEnd: odd,
  gateway: odd,
  routes,
  resolvConf: odd,
  addresses: list(fc.record({ address: odd, gateway: odd }, { requiredKeys: [] })),
  dns: of(fc.record({ nameservers: list(odd), search: odd }, { requiredKeys: [] })),
};
const input = fc.record({
  ipam: fc.oneof(
    { weight: 9, arbitrary: fc.record(keys, { requiredKeys: [] }) },
    {
      weight: 9,
      arbitrary: fc.record(
        { subnet: fc.constantFrom('10.1.0.0/24', 'fd00::/64'), rangeStart: odd, gateway: odd },
        { requiredKeys: ['subnet'] },
      ),
    },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  ),
  runtimeConfig: fc.oneof(fc.constant({}), ips),
  args: fc.oneof(fc.constant(undefined), of(fc.record({ cni: of(ips) }))),
  cniArgs: fc.array(fc.tuple(fc.constantFrom('IP', 'GATEWAY', 'X'), text), { maxLength: 2 }),
});

test('host-local and static', async () => {
  const outcomes = { given: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(input, async ({ ipam, runtimeConfig, args, cniArgs }) => {
      using data = dataDir();
      const isObject = typeof ipam === 'object' && ipam !== null && !Array.isArray(ipam);
      const config = { name: 'net', ipam: isObject ? { ...ipam, dataDir: data.path } : ipam, args };
      // Without an object there is no folder of the test's own.
      for (const plugin of isObject ? [hostLocal, staticIpam] : [staticIpam]) {
        for (const verb of ['add', 'check', 'status', 'del', 'gc'] as const) {
          try {
            await plugin[verb](callOf({}, { config, runtimeConfig, args: cniArgs }));
            if (verb === 'add') outcomes.given++;
          } catch (error) {
            if (!(error instanceof PluginError)) throw error;
            outcomes.refused++;
          }
        }
      }
      expect(readdirSync(data.path).filter(name => name !== 'net')).toEqual([]);
      expect(data.given()).toEqual({});
    }),
    { numRuns: 500 },
  );
  expect(outcomes.given).toBeGreaterThan(50);
  expect(outcomes.refused).toBeGreaterThan(50);
}, 60_000);
