import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  type Isolated,
  isMember,
  isolation,
  isWhole,
  membersOf,
  networkLabel,
} from '../../../plugins/cni-bridge/isolation.ts';
import { formatRule, nameOf } from '../../../src/host/nftables/explain.ts';
import { difference } from '../../../src/host/nftables/reconcile.ts';

const INSTANCE = 'instance';
const one: Isolated = { bridge: 'kuke-a-b', network: 'a-b', gateways: ['10.88.0.1'], ranges: ['10.88.0.0/16'] };
const two: Isolated = {
  bridge: 'kuke-a-c',
  network: 'a-c',
  gateways: ['10.89.0.1', 'fd00::1'],
  ranges: ['10.89.0.0/20', 'fd00::/64'],
};

const bridge = fc.stringMatching(/^kuke-[a-z0-9]{1,10}$/);
const gateway = fc.oneof(
  fc.integer({ min: 1, max: 254 }).map(byte => `10.89.${byte}.1`),
  fc.integer({ min: 1, max: 254 }).map(group => `fd00:${group.toString(16)}::1`),
);
const member = fc.record({
  bridge,
  network: fc.stringMatching(/^[a-z]{1,80}-[a-z]{1,80}$/),
  gateways: fc.uniqueArray(gateway, { minLength: 1, maxLength: 3 }),
  ranges: fc.subarray(['10.N.0.0/20', '10.N.16.0/20', 'fd00:N::/64']),
});
const members: fc.Arbitrary<Isolated[]> = fc
  .uniqueArray(member, { selector: ({ bridge: of }) => of, maxLength: 6 })
  .map(list =>
    list.map((each, index) => ({
      ...each,
      network: networkLabel(`${each.network}${index}`),
      ranges: each.ranges.map(range => range.replace('N', `${index}`)),
    })),
  );

describe('the table', () => {
  test('is called kukeon, carries the installation’s id, and drops nothing by its policy', () => {
    const { table, chains } = isolation(INSTANCE, []);
    expect([nameOf(table), table.comment]).toEqual(['table inet kukeon', INSTANCE]);
    expect(chains.map(({ base }) => [base?.hook, base?.policy])).toEqual([
      ['forward', 'accept'],
      ['input', 'accept'],
      ['postrouting', 'accept'],
    ]);
  });

  test('has the same rules however many spaces there are', () => {
    const rules = isolation(INSTANCE, [one, two]).rules;
    expect(rules).toEqual(isolation(INSTANCE, []).rules);
    expect(
      rules.map(rule => `${rule.chain}: ${formatRule({ ...rule, comment: '' })}`.replace(/ comment.*/, '')),
    ).toEqual([
      'forward: iifname . oifname @pairs accept',
      'forward: iifname @bridges oifname @bridges drop',
      'input: iifname . ip daddr @own_gateways accept',
      'input: iifname @bridges ip daddr @gateways drop',
      'input: iifname . ip6 daddr @own_gateways6 accept',
      'input: iifname @bridges ip6 daddr @gateways6 drop',
      'postrouting: ip saddr @ranges oifname != @bridges oifname != "lo" masquerade',
      'postrouting: ip6 saddr @ranges6 oifname != @bridges oifname != "lo" masquerade',
    ]);
  });

  test('says which bridges it knows, and is whole', () => {
    fc.assert(
      fc.property(members, list => {
        const content = isolation(INSTANCE, list);
        const sorted = (of: readonly Isolated[]) =>
          of
            .map(({ gateways, ranges, ...rest }) => ({
              ...rest,
              gateways: gateways.toSorted(),
              ranges: ranges.toSorted(),
            }))
            .sort((a, b) => (a.bridge < b.bridge ? -1 : 1));
        expect(sorted(membersOf(content))).toEqual(sorted(list));
        expect(isWhole(INSTANCE, content)).toBe(true);
        for (const each of list) expect(isMember(membersOf(content), each)).toBe(true);
        expect(isMember(membersOf(content), { bridge: 'br', network: 'x', gateways: [], ranges: [] })).toBe(false);
      }),
    );
  });

  test('is not whole without one of its elements or rules', () => {
    fc.assert(
      fc.property(members, fc.nat(), fc.nat(), (list, nth, element) => {
        const whole = isolation(INSTANCE, list);
        const withoutRule = { ...whole, rules: whole.rules.toSpliced(nth % whole.rules.length, 1) };
        expect(isWhole(INSTANCE, withoutRule)).toBe(false);
        const filled = whole.sets.filter(set => set.elements.length > 0);
        const chosen = filled[nth % Math.max(1, filled.length)];
        if (chosen === undefined) return;
        const elements = chosen.elements.toSpliced(element % chosen.elements.length, 1);
        const present = { ...whole, sets: whole.sets.map(set => (set === chosen ? { ...set, elements } : set)) };
        const isSeen = !isWhole(INSTANCE, present) || list.some(each => !isMember(membersOf(present), each));
        expect(isSeen).toBe(true);
      }),
    );
  });

  test('a space more, or less, costs its elements alone', () => {
    const less = isolation(INSTANCE, [one]);
    const more = isolation(INSTANCE, [one, two]);
    for (const changes of [difference(more, less), difference(less, more)]) {
      expect(changes.length).toBe(8);
      expect(changes.every(({ object }) => object.kind === 'elements' && object.elements.length === 1)).toBe(true);
    }
  });
});

describe('ranges that are masqueraded', () => {
  const inTable = (list: Isolated[]) =>
    isolation(INSTANCE, list)
      .sets.filter(({ set }) => set.interval)
      .flatMap(({ elements }) => elements.map(({ key, comment }) => [key[0], comment]));

  test('stand in the set without overlap, and one within another network’s counts as there', () => {
    const within: Isolated = { ...one, bridge: 'br', network: 'z', ranges: ['10.88.16.0/20'] };
    for (const list of [
      [one, within],
      [within, one],
    ]) {
      expect(inTable(list)).toEqual([['10.88.0.0/16', 'a-b']]);
      expect(list.every(each => isMember(membersOf(isolation(INSTANCE, list)), each))).toBe(true);
    }
    expect(isMember(membersOf(isolation(INSTANCE, [{ ...within, ranges: [] }])), within)).toBe(false);
  });

  test('one range under two names of a bridge, while it is renamed, is one element', () => {
    const renamed = { ...one, bridge: 'other' };
    expect(inTable([one, renamed])).toEqual([['10.88.0.0/16', 'a-b']]);
    expect(membersOf(isolation(INSTANCE, [one, renamed]))).toEqual([one, renamed]);
  });

  test('that a conflist does not want masqueraded any more are seen to be too many', () => {
    const known = membersOf(isolation(INSTANCE, [one]));
    expect([one, { ...one, ranges: [] }].map(each => isMember(known, each))).toEqual([true, false]);
  });
});

test('labels of networks fit into a comment, and differ', () => {
  const long = `${'a'.repeat(63)}-${'b'.repeat(63)}`;
  expect(networkLabel('a-b')).toBe('a-b');
  expect(networkLabel(long).length).toBeLessThanOrEqual(127);
  expect(networkLabel(long)).not.toBe(networkLabel(`${long}-c1`));
});
