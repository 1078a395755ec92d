import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  type Isolated,
  isMember,
  isolated,
  isolationSection,
  isWhole,
  memberOf,
  membersOf,
  networkLabel,
} from '../../../plugins/cni-bridge/isolation.ts';
import { formatRule, nameOf } from '../../../src/host/nftables/explain.ts';
import type { TableContent } from '../../../src/host/nftables/list.ts';
import { difference } from '../../../src/host/nftables/reconcile.ts';

const INSTANCE = 'instance';
const one = memberOf({ name: 'a-b', bridge: 'kuke-a-b', subnet: '10.88.0.0/16', gateway: '10.88.0.1' });
const two = memberOf({
  name: 'a-c',
  bridge: 'kuke-a-c',
  subnet: '10.89.0.0/20',
  gateway: '10.89.0.1',
  subnet6: 'fd00::/64',
  gateway6: 'fd00::1',
});
const section = isolationSection(INSTANCE);
const content = (members: readonly Isolated[]): TableContent => ({ ...section, sets: isolated(members) });

const range = fc.oneof(
  fc.integer({ min: 0, max: 255 }).map(byte => `10.N.${byte}.0/24`),
  fc.integer({ min: 0, max: 255 }).map(byte => `fd00:N:0:${byte.toString(16)}::/64`),
);
const member = fc.record({
  bridge: fc.stringMatching(/^kuke-[a-z0-9]{1,10}$/),
  network: fc.stringMatching(/^[a-z]{1,80}-[a-z]{1,80}$/),
  ranges: fc.uniqueArray(range, { minLength: 1, maxLength: 4 }),
  isMasqueraded: fc.boolean(),
});
const members: fc.Arbitrary<Isolated[]> = fc
  .uniqueArray(member, { selector: ({ bridge: of }) => of, maxLength: 6 })
  .map(list =>
    list.map(({ bridge, network, ranges, isMasqueraded }, index) => {
      const own = ranges.map(text => text.replace('N', `${index}`));
      const name = networkLabel(`${network}${index}`);
      return memberOf({ name, bridge, ranges: own, gateways: [], ...(!isMasqueraded && { masqueraded: [] }) });
    }),
  );

describe('a bridge', () => {
  test('has the ranges of its conflist, and gateways out of them', () => {
    const described = { name: 'x', bridge: 'br0', ranges: ['10.9.0.7/16', 'fd00::/64', '10.9.4.0/24'] };
    expect(memberOf({ ...described, gateways: ['10.9.0.1', '192.0.2.1'], masqueraded: ['10.9.0.0/16'] })).toEqual({
      bridge: 'br0',
      network: 'x',
      ranges: ['10.9.0.0/16', '192.0.2.1/32', 'fd00::/64'],
      masqueraded: ['10.9.0.0/16'],
    });
    expect(two.ranges).toEqual(['10.89.0.0/20', 'fd00::/64']);
    expect(two.masqueraded).toEqual(two.ranges);
  });
});

describe('the section', () => {
  test('is in the table kukeon, its chains carry the installation’s id and drop nothing by their policy', () => {
    const { table, chains } = section;
    expect([nameOf(table), table.comment]).toEqual(['table inet kukeon', undefined]);
    expect(chains.map(({ base, comment }) => [base?.hook, base?.policy, comment])).toEqual([
      ['forward', 'accept', INSTANCE],
      ['input', 'accept', INSTANCE],
      ['postrouting', 'accept', INSTANCE],
    ]);
  });

  test('has these rules', () => {
    expect(section.rules.map(rule => `${rule.chain}: ${formatRule(rule)}`.replace(/ comment.*/, ''))).toEqual([
      'space_forward: iifname . oifname @space_pairs accept',
      'space_forward: iifname @space_bridges oifname @space_bridges drop',
      'space_forward: iifname @space_bridges iifname . ip saddr != @space_ranges drop',
      'space_forward: iifname @space_bridges iifname . ip6 saddr != @space_ranges6 drop',
      'space_input: iifname @space_bridges ip saddr != 0.0.0.0 iifname . ip saddr != @space_ranges drop',
      'space_input: iifname @space_bridges ip6 saddr != fe80::/10 ip6 saddr != :: iifname . ip6 saddr != @space_ranges6 drop',
      'space_input: iifname . ip daddr @space_ranges accept',
      'space_input: iifname @space_bridges ip daddr @space_all drop',
      'space_input: iifname . ip6 daddr @space_ranges6 accept',
      'space_input: iifname @space_bridges ip6 daddr @space_all6 drop',
      'space_input: iifname @space_bridges ip daddr 127.0.0.0/8 ct state invalid,new,untracked drop',
      'space_postrouting: ip saddr @space_masqueraded oifname != @space_bridges oifname != "lo" masquerade',
      'space_postrouting: ip6 saddr @space_masqueraded6 oifname != @space_bridges oifname != "lo" masquerade',
    ]);
  });

  test('says which bridges it knows, and is whole', () => {
    fc.assert(
      fc.property(members, list => {
        const present = content(list);
        const sorted = (of: readonly Isolated[]) => of.toSorted((a, b) => (a.bridge < b.bridge ? -1 : 1));
        expect(sorted(membersOf(present))).toEqual(sorted(list));
        expect(isWhole(INSTANCE, present)).toBe(true);
        for (const each of list) expect(isMember(membersOf(present), each)).toBe(true);
        expect(isMember(membersOf(present), { bridge: 'br', network: 'x', ranges: [], masqueraded: [] })).toBe(false);
      }),
    );
  });

  test('is not whole without one of its elements or rules', () => {
    fc.assert(
      fc.property(members, fc.nat(), fc.nat(), (list, nth, element) => {
        const whole = content(list);
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
    const less = content([one]);
    const more = content([one, two]);
    for (const changes of [difference(more, less), difference(less, more)]) {
      expect(changes.length).toBe(8);
      expect(changes.every(({ object }) => object.kind === 'elements' && object.elements.length === 1)).toBe(true);
    }
  });
});

describe('ranges that are masqueraded', () => {
  const inTable = (list: Isolated[]) =>
    isolated(list)
      .filter(({ set }) => set.set.startsWith('space_masqueraded'))
      .flatMap(({ elements }) => elements.map(({ key, comment }) => [key[0], comment]));

  test('stand in the set without overlap, and one within another network’s counts as there', () => {
    const within: Isolated = { bridge: 'br', network: 'z', ranges: ['10.88.16.0/20'], masqueraded: ['10.88.16.0/20'] };
    for (const list of [
      [one, within],
      [within, one],
    ]) {
      expect(inTable(list)).toEqual([['10.88.0.0/16', 'a-b']]);
      expect(list.every(each => isMember(membersOf(content(list)), each))).toBe(true);
    }
    expect(isMember(membersOf(content([{ ...within, masqueraded: [] }])), within)).toBe(false);
  });

  test('one range under two names of a bridge, while it is renamed, is one element', () => {
    const renamed = { ...one, bridge: 'other' };
    expect(inTable([one, renamed])).toEqual([['10.88.0.0/16', 'a-b']]);
    expect(membersOf(content([one, renamed]))).toEqual([one, renamed]);
  });

  test('that a conflist does not want masqueraded any more are seen to be too many', () => {
    const known = membersOf(content([one]));
    expect([one, { ...one, masqueraded: [] }].map(each => isMember(known, each))).toEqual([true, false]);
  });
});

test('labels of networks fit into a comment, and differ', () => {
  const long = `${'a'.repeat(63)}-${'b'.repeat(63)}`;
  expect(networkLabel('a-b')).toBe('a-b');
  expect(networkLabel(long).length).toBeLessThanOrEqual(127);
  expect(networkLabel(long)).not.toBe(networkLabel(`${long}-c1`));
});
