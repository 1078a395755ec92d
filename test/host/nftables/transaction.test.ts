import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { hasCode } from '../../../src/host/errno.ts';
import { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { within } from '../../../src/host/netns.ts';
import { add, create, remove } from '../../../src/host/nftables/change.ts';
import { listElements, listRules, readGeneration, readTable } from '../../../src/host/nftables/list.ts';
import { chain, type Element, elements, map, rule, set, table } from '../../../src/host/nftables/object.ts';
import { accept, inSet, jump, match } from '../../../src/host/nftables/statement.ts';
import { commit } from '../../../src/host/nftables/transaction.ts';
import { nftJson, nftList, run } from '../netlink/outside.ts';

let socket: NetlinkSocket;
beforeEach(() => {
  socket = new NetlinkSocket('netfilter');
});
afterEach(() => {
  run('nft', 'flush', 'ruleset');
  socket.close();
});

const kukeon = table('inet', 'kukeon');
const forward = chain(kukeon, 'forward', { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' });
const pairs = set(kukeon, 'pairs', ['ifname', 'ifname']);

function refusal(of: () => unknown): Error {
  try {
    of();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('nothing was refused');
}

describe('all or nothing', () => {
  test('a refused change leaves nothing of those before and after it, and is named', () => {
    const changes = [
      add(kukeon),
      add(forward),
      add(rule(forward, [match('iifname', 'br0'), jump('nowhere')], 'to nowhere')),
      add(pairs),
    ];
    expect(refusal(() => commit(socket, changes)).message).toBe(
      'add rule inet kukeon forward iifname "br0" jump nowhere comment "to nowhere": No such file or directory (ENOENT)',
    );
    expect(nftList('ruleset')).toBe('');
  });

  test('what was there before stays as it was', () => {
    commit(socket, [add(kukeon), add(pairs), add(elements(pairs, [{ key: ['br0', 'br0'] }]))]);
    const before = nftList('ruleset');
    const bad = [remove(elements(pairs, [{ key: ['br0', 'br0'] }])), remove(forward)];
    expect(refusal(() => commit(socket, bad)).message).toBe(
      'delete chain inet kukeon forward: No such file or directory (ENOENT)',
    );
    expect(nftList('ruleset')).toBe(before);
  });

  test('of many elements the one at fault is named', () => {
    const many: Element[] = Array.from({ length: 250 }, (_, i) => ({ key: [`br${i}`, 'x'] }));
    commit(socket, [add(kukeon), add(pairs), add(elements(pairs, [{ key: ['br177', 'x'] }]))]);
    const error = refusal(() => commit(socket, [create(elements(pairs, many))]));
    expect(error.message).toBe('create element inet kukeon pairs { "br177" . "x" }: File exists (EEXIST)');
    expect(hasCode(error, 'EEXIST')).toBe(true);
    expect(listElements(socket, pairs)).toHaveLength(1);
    expect(
      refusal(() => commit(socket, [remove(elements(pairs, [{ key: ['br177', 'x'] }, { key: ['no', 'no'] }]))]))
        .message,
    ).toBe('delete element inet kukeon pairs { "no" . "no" }: No such file or directory (ENOENT)');
  });

  test('overlapping ranges are refused', () => {
    const ranges = set(kukeon, 'ranges', ['ipv4_addr'], { interval: true });
    commit(socket, [add(kukeon), add(ranges), add(elements(ranges, [{ key: ['10.0.0.0/8'] }]))]);
    expect(refusal(() => commit(socket, [add(elements(ranges, [{ key: ['10.1.0.0/16'] }]))])).message).toBe(
      'add element inet kukeon ranges { 10.1.0.0/16 }: File exists (EEXIST)',
    );
    expect(listElements(socket, ranges)).toEqual([{ key: ['10.0.0.0/8'] }]);
  });

  test('a value that cannot be is refused before anything is sent', () => {
    const generation = readGeneration(socket);
    expect(() => commit(socket, [add(kukeon), add(pairs), add(elements(pairs, [{ key: ['br0'] }]))])).toThrow(
      RangeError,
    );
    expect(() => commit(socket, [add(kukeon), add(forward), remove(rule(forward, []))])).toThrow(
      'delete rule of kukeon forward: no handle',
    );
    expect(readGeneration(socket)).toBe(generation);
  });

  test('many refusals at once do not hide the first', () => {
    const chains = Array.from({ length: 3000 }, (_, i) => add(chain({ family: 'inet', table: 'absent' }, `c${i}`)));
    expect(refusal(() => commit(socket, chains)).message).toBe(
      'add chain inet absent c0: No such file or directory (ENOENT)',
    );
    commit(socket, [add(kukeon)]);
    expect(nftList('ruleset')).toContain('table inet kukeon');
  });

  test('no changes are no transaction', () => {
    const generation = readGeneration(socket);
    commit(socket, []);
    expect(readGeneration(socket)).toBe(generation);
  });
});

describe('generations', () => {
  test('changes for a ruleset that has changed since are refused', () => {
    commit(socket, [add(kukeon)]);
    const { generation } = readTable(socket, kukeon);
    run('nft', 'add', 'table', 'ip', 'someone');
    const error = refusal(() => commit(socket, [add(pairs)], { generation }));
    expect(hasCode(error, 'ERESTART')).toBe(true);
    expect(error.message).toStartWith('nftables transaction of 1 changes: ');
    expect(nftJson('ruleset').filter(object => 'set' in object)).toEqual([]);
    commit(socket, [add(pairs)], { generation: readTable(socket, kukeon).generation });
    expect(nftList('set', 'inet', 'kukeon', 'pairs')).toContain('type ifname . ifname');
  });
});

describe('size', () => {
  test('a set of 500 elements with comments, and a map of 1000', () => {
    const hosts = map(kukeon, 'hosts', ['ipv4_addr'], 'verdict');
    const many: Element[] = Array.from({ length: 500 }, (_, i) => ({
      key: [`kuke-${i}`, `kuke-${i}`],
      comment: `instance=0123456789 space=realm-${i}/space-${i} ${'x'.repeat(60)}`,
    }));
    const verdicts: Element[] = Array.from({ length: 1000 }, (_, i) => ({
      key: [`10.0.${i >> 8}.${i & 255}`],
      data: 'drop',
    }));
    commit(socket, [add(kukeon), add(pairs), add(hosts), add(elements(pairs, many)), add(elements(hosts, verdicts))]);
    const byKey = (list: Element[]) => list.toSorted((a, b) => (a.key.join() < b.key.join() ? -1 : 1));
    expect(byKey(listElements(socket, pairs))).toEqual(byKey(many));
    expect(byKey(listElements(socket, hosts))).toEqual(byKey(verdicts));
    const [shown] = nftJson('set', 'inet', 'kukeon', 'pairs').filter(object => 'set' in object);
    expect(shown?.set?.elem).toHaveLength(500);
    commit(socket, [remove(elements(pairs, many))]);
    expect(listElements(socket, pairs)).toEqual([]);
    expect(nftList('set', 'inet', 'kukeon', 'pairs')).not.toContain('kuke-');
  });

  test('a chain of 1000 rules', () => {
    const rules = Array.from({ length: 1000 }, (_, i) =>
      rule(forward, [match('iifname', `br${i}`), accept()], `rule ${i}`),
    );
    commit(socket, [add(kukeon), add(forward), ...rules.map(add)]);
    const listed = listRules(socket, forward);
    expect(listed.map(({ handle, ...rest }) => rest)).toEqual(rules);
    expect(nftJson('chain', 'inet', 'kukeon', 'forward').filter(object => 'rule' in object)).toHaveLength(1000);
    commit(socket, listed.map(remove));
    expect(listRules(socket, forward)).toEqual([]);
  });
});

test('a socket opened in another network namespace works on that one', () => {
  run('ip', 'netns', 'add', 'cell');
  const inside = within('/run/netns/cell', () => new NetlinkSocket('netfilter'));
  try {
    commit(inside, [add(kukeon), add(pairs), add(elements(pairs, [{ key: ['a', 'b'] }])), add(forward)]);
    commit(inside, [add(rule(forward, [inSet(['iifname', 'oifname'], 'pairs'), accept()]))]);
    expect(run('ip', 'netns', 'exec', 'cell', 'nft', 'list', 'ruleset')).toContain('iifname . oifname @pairs accept');
    expect(nftList('ruleset')).toBe('');
    commit(inside, [remove(kukeon)]);
    expect(run('ip', 'netns', 'exec', 'cell', 'nft', 'list', 'ruleset')).toBe('');
  } finally {
    inside.close();
    run('ip', 'netns', 'del', 'cell');
  }
});
