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
const one: Isolated = { bridge: 'kuke-a-b', network: 'a-b', gateways: ['10.88.0.1'] };
const two: Isolated = { bridge: 'kuke-a-c', network: 'a-c', gateways: ['10.89.0.1', 'fd00::1'] };

const bridge = fc.stringMatching(/^kuke-[a-z0-9]{1,10}$/);
const gateway = fc.oneof(
  fc.integer({ min: 1, max: 254 }).map(byte => `10.89.${byte}.1`),
  fc.integer({ min: 1, max: 254 }).map(group => `fd00:${group.toString(16)}::1`),
);
const member: fc.Arbitrary<Isolated> = fc.record({
  bridge,
  network: fc.stringMatching(/^[a-z]{1,80}-[a-z]{1,80}$/).map(networkLabel),
  gateways: fc.uniqueArray(gateway, { minLength: 1, maxLength: 3 }),
});
const members = fc.uniqueArray(member, { selector: ({ bridge: of }) => of, maxLength: 6 });

describe('the table', () => {
  test('is called kukeon, carries the installation’s id, and drops nothing by its policy', () => {
    const { table, chains } = isolation(INSTANCE, []);
    expect([nameOf(table), table.comment]).toEqual(['table inet kukeon', INSTANCE]);
    expect(chains.map(({ base }) => [base?.hook, base?.policy])).toEqual([
      ['forward', 'accept'],
      ['input', 'accept'],
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
    ]);
  });

  test('says which bridges it knows, and is whole', () => {
    fc.assert(
      fc.property(members, list => {
        const content = isolation(INSTANCE, list);
        const sorted = (of: readonly Isolated[]) =>
          of
            .map(({ gateways, ...rest }) => ({ ...rest, gateways: [...gateways].sort() }))
            .sort((a, b) => (a.bridge < b.bridge ? -1 : 1));
        expect(sorted(membersOf(content))).toEqual(sorted(list));
        expect(isWhole(INSTANCE, content)).toBe(true);
        for (const each of list) expect(isMember(membersOf(content), each)).toBe(true);
        expect(isMember(membersOf(content), { bridge: 'br', network: 'x', gateways: [] })).toBe(false);
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
      expect(changes.length).toBe(6);
      expect(changes.every(({ object }) => object.kind === 'elements' && object.elements.length === 1)).toBe(true);
    }
  });
});

test('labels of networks fit into a comment, and differ', () => {
  const long = `${'a'.repeat(63)}-${'b'.repeat(63)}`;
  expect(networkLabel('a-b')).toBe('a-b');
  expect(networkLabel(long).length).toBeLessThanOrEqual(127);
  expect(networkLabel(long)).not.toBe(networkLabel(`${long}-c1`));
});
