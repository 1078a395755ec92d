/** The firewall plugin's configuration, and what goes with whom in its section. */
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { JsonObject } from '../../../../src/cni/json.ts';
import { readConfig } from '../../../../src/cni/plugins/firewall/config.ts';
import { forwardMark } from '../../../../src/cni/plugins/firewall/firewall.ts';
import {
  type Attached,
  bridgesIn,
  goneWith,
  ownElements,
  sharedElements,
} from '../../../../src/cni/plugins/firewall/section.ts';
import type { PluginCall } from '../../../../src/cni/plugins/plugin.ts';
import { PluginError } from '../../../../src/cni/plugins/plugin-error.ts';
import { silent } from '../../../../src/cni/plugins/trace.ts';
import { type Elements, elements } from '../../../../src/host/nftables/object.ts';

const call = (config: JsonObject): PluginCall => ({
  command: 'ADD',
  network: 'net',
  cniVersion: '1.1.0',
  config,
  runtimeConfig: {},
  prevResult: undefined,
  path: [],
  trace: silent,
  signal: undefined,
});

test('whatever the configuration says, it is understood or refused by name', () => {
  const key = fc.constantFrom('backend', 'ingressPolicy', 'iptablesAdminChainName', 'firewalldZone', 'type');
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom('', 'open', 'isolated', 'nftables', 'trusted'));
  fc.assert(
    fc.property(fc.dictionary(key, value), config => {
      try {
        const { ingressPolicy, zone } = readConfig(call(config as JsonObject));
        expect(['open', 'same-bridge', 'isolated']).toContain(ingressPolicy);
        expect(zone === undefined || zone.length > 0).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(PluginError);
        expect([2, 7]).toContain((error as PluginError).code);
        expect(Object.keys(config).some(name => (error as PluginError).msg.includes(name))).toBe(true);
      }
    }),
  );
});

test('marks fit into a comment, whatever the network’s name', () => {
  expect(forwardMark('podman')).toBe('kukeon network podman');
  const [one, other] = [forwardMark(`${'n'.repeat(200)}a`), forwardMark(`${'n'.repeat(200)}b`)];
  expect(Math.max(one.length, other.length)).toBeLessThanOrEqual(127);
  expect(one).not.toBe(other);
});

describe('what a bridge has stays until its last attachment goes', () => {
  const attached = fc.record({
    by: fc.constantFrom('br0', 'br1', 'br2'),
    policy: fc.constantFrom<Attached['policy'][]>('open', 'same-bridge', 'isolated'),
    last: fc.integer({ min: 1, max: 200 }),
    isGone: fc.boolean(),
  });

  test('and nothing that is another’s goes', () => {
    fc.assert(
      fc.property(fc.uniqueArray(attached, { selector: ({ last }) => last, maxLength: 12 }), list => {
        const all: Attached[] = list.map(({ by, policy, last }) => ({
          by,
          policy,
          addresses: [`10.0.0.${last}`, `fd00::${last}`],
          label: `net c${last}/eth0`,
        }));
        const gone = new Set(all.filter((_, index) => list[index]?.isGone).map(({ label }) => label));
        const isGone = (label: string) => gone.has(label);
        const sets = merge(all.flatMap(one => [...ownElements(one), ...sharedElements(one)]));
        const left = sets.map(({ set, elements: found }) =>
          elements(
            set,
            found.filter(element => !goneWith(isGone)(element, set, sets)),
          ),
        );
        const staying = all.filter(({ label }) => !isGone(label));
        expect(bridgesIn(left, () => true)).toEqual([...new Set(staying.map(({ by }) => by))].sort());
        const shared = left.find(({ set }) => set.set === 'firewall_bridges')?.elements ?? [];
        const wanted = all.filter(one => one.policy !== 'open' && staying.some(({ by }) => by === one.by));
        expect(shared.map(({ key: [by] }) => by).sort()).toEqual([...new Set(wanted.map(({ by }) => by))].sort());
      }),
    );
  });
});

/** As the kernel would have them: each key once. */
function merge(list: readonly Elements[]): Elements[] {
  const bySet = Map.groupBy(list, ({ set }) => set.set);
  return [...bySet.values()].flatMap(([first, ...more]) => {
    if (first === undefined) return [];
    const all = [first, ...more].flatMap(one => one.elements);
    return [elements(first.set, [...new Map(all.map(one => [one.key.join(), one])).values()])];
  });
}
