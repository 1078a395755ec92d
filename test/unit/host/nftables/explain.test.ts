import { describe, expect, test } from 'bun:test';
import { add, type Change, create, insert, remove, replace } from '../../../../src/host/nftables/change.ts';
import { explain } from '../../../../src/host/nftables/explain.ts';
import { chain, elements, map, rule, set, table } from '../../../../src/host/nftables/object.ts';
import { accept, drop, inSet, match, notInSet } from '../../../../src/host/nftables/statement.ts';

const t = table('inet', 'kukeon');
const c = chain(t, 'forward');
const pairs = set(t, 'pairs', ['ifname', 'ifname']);
const m = map(t, 'm', ['ifname'], 'verdict');
const isolate = [inSet('iifname', 'bridges'), notInSet('oifname', 'bridges'), drop()];

describe('the command that a person would type', () => {
  test.each<[Change, string]>([
    [add(t), 'nft add table inet kukeon'],
    [add(table('ip', 't', "it's mine")), `nft 'add table ip t { comment "it'\\''s mine"; }'`],
    [create(c), 'nft create chain inet kukeon forward'],
    [
      add(chain(t, 'input', { type: 'filter', hook: 'input', priority: -5, policy: 'drop' }, 'x')),
      `nft 'add chain inet kukeon input { type filter hook input priority -5; policy drop; comment "x"; }'`,
    ],
    [remove(c), 'nft delete chain inet kukeon forward'],
    [add(pairs), `nft 'add set inet kukeon pairs { type ifname . ifname; }'`],
    [
      add(set(t, 's', ['ipv4_addr'], { interval: true, comment: 'y' })),
      `nft 'add set inet kukeon s { type ipv4_addr; flags interval; comment "y"; }'`,
    ],
    [add(m), `nft 'add map inet kukeon m { type ifname : verdict; }'`],
    [remove(m), 'nft delete map inet kukeon m'],
    [
      add(elements(pairs, [{ key: ['br0', 'br1'], comment: 'z' }, { key: ['a', 'b'] }])),
      `nft 'add element inet kukeon pairs { "br0" . "br1" comment "z", "a" . "b" }'`,
    ],
    [
      remove(elements(pairs, [{ key: ['br0', 'br1'], comment: 'z' }])),
      `nft 'delete element inet kukeon pairs { "br0" . "br1" }'`,
    ],
    [
      add(elements(m, [{ key: ['br0'], data: { jump: 'c' }, comment: 'z' }])),
      `nft 'add element inet kukeon m { "br0" comment "z" : jump c }'`,
    ],
    [
      add(rule(c, isolate, 'why')),
      `nft 'add rule inet kukeon forward iifname @bridges oifname != @bridges drop comment "why"'`,
    ],
    [insert(rule(c, [accept()])), 'nft insert rule inet kukeon forward accept'],
    [insert(rule(c, [accept()]), 7), 'nft insert rule inet kukeon forward handle 7 accept'],
    [
      replace({ ...rule(c, [match('iifname', 'lo'), accept()]), handle: 7 }),
      `nft 'replace rule inet kukeon forward handle 7 iifname "lo" accept'`,
    ],
    [remove({ ...rule(c, []), handle: 7 }), 'nft delete rule inet kukeon forward handle 7'],
  ])('%#', (change, command) => {
    expect(explain(change)).toBe(command);
  });

  test('a change is data that survives JSON', () => {
    const change = insert(rule(c, isolate, 'why'), 7);
    expect(JSON.parse(JSON.stringify(change))).toEqual(change);
  });
});

describe('names and comments that nft could not be given back', () => {
  test.each(['', 'a b', '1st', 'a"b', 'x;y', 'ä', 'a'.repeat(256)])('name %j', name => {
    expect(() => table('inet', name)).toThrow('not a name for nft');
    expect(() => chain(t, name)).toThrow('not a name for nft');
    expect(() => set(t, name, ['ifname'])).toThrow('not a name for nft');
  });

  test.each([
    ['a"b', 'not a comment for nft: "a\\"b"'],
    ['a\nb', 'not a comment for nft'],
    ['ä'.repeat(64), 'comment of 128 bytes; 127 are the most'],
  ])('comment %j', (comment, message) => {
    expect(() => rule(c, [], comment)).toThrow(message);
    expect(() => table('inet', 't', comment)).toThrow(message);
  });
});
