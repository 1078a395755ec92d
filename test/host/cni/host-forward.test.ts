/** Where a rule of ours goes in chains that others have made, and where none is needed. */
import { afterEach, describe, expect, test } from 'bun:test';
import { explainForward } from '../../../src/cni/host-forward/explain.ts';
import { readForward } from '../../../src/cni/host-forward/forward.ts';
import { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { update } from '../../../src/host/nftables/reconcile.ts';
import { nft, nftList, run } from '../netlink/outside.ts';

const MARK = 'kukeon test';
afterEach(() => run('nft', 'flush', 'ruleset'));

/** Leaves the rules for these interfaces; how many changes that took. */
function allow(...names: string[]): number {
  using socket = new NetlinkSocket('netfilter');
  return update(socket, () => readForward(socket, MARK).changes(names)).length;
}

function allows(name: string): boolean {
  using socket = new NetlinkSocket('netfilter');
  return readForward(socket, MARK).allows(name);
}

/** The rules of the chain `gate`, ours as `OURS` once. */
function gate(family = 'inet'): string[] {
  const [, body = ''] = /chain gate \{\n\t\t.*\n([^}]*)\n?\t\}/.exec(nftList('chain', family, 't', 'gate')) ?? [];
  const rules = body.split('\n').flatMap(line => line.trim() || []);
  return rules
    .map(line => (line.includes(MARK) ? 'OURS' : line))
    .filter((line, index, all) => line !== all[index - 1] || line !== 'OURS');
}

const chain = (policy: string, ...rules: string[]) =>
  `chain gate { type filter hook forward priority 0; policy ${policy}; ${rules.map(one => `${one};`).join(' ')} }\n`;
const table = (...parts: string[]) => `table inet t {\n${parts.join('\n')}\n}`;

describe('rules go right before the end of a chain that drops', () => {
  test.each<[string, string, string[]]>([
    ['by its policy', table(chain('drop')), ['OURS']],
    [
      'by its policy, behind what others accept and drop',
      table(chain('drop', 'iifname "x" drop')),
      ['iifname "x" drop', 'OURS'],
    ],
    ['by its last rule', table(chain('accept', 'iifname "x" accept', 'drop')), ['iifname "x" accept', 'OURS', 'drop']],
    [
      'by its last rule, which rejects, counts and logs',
      table(chain('accept', 'counter packets 0 bytes 0 log prefix "x" reject')),
      ['OURS', 'counter packets 0 bytes 0 log prefix "x" reject'],
    ],
    [
      'in a chain that it jumps to, by way of another',
      table('chain c { drop; }', 'chain b { goto c; }', chain('accept', 'jump b', 'accept')),
      ['OURS', 'jump b', 'accept'],
    ],
    [
      'behind a chain that it jumps to twice and that drops only some',
      table('chain b { iifname "x" drop; }', chain('drop', 'jump b', 'jump b')),
      ['jump b', 'jump b', 'OURS'],
    ],
    ['before it goes elsewhere, for its policy', table('chain b { }', chain('drop', 'goto b')), ['OURS', 'goto b']],
    ['before it returns, for its policy', table(chain('drop', 'return')), ['OURS', 'return']],
  ])('%s', (_, script, expected) => {
    nft(script);
    expect(allows('br0')).toBe(false);
    expect(allow('br0')).toBe(3);
    expect(gate()).toEqual(expected);
    expect(allows('br0')).toBe(true);
    expect(allow('br0')).toBe(0);
    expect(allow('br0', 'br1')).toBe(3);
    expect(gate()).toEqual(expected);
    expect(allow()).toBe(6);
    expect(gate()).toEqual(expected.filter(line => line !== 'OURS'));
  });
});

describe('none is needed where a chain', () => {
  test.each([
    ['accepts by its policy', table(chain('accept', 'iifname "x" drop'))],
    ['accepts all before its end', table(chain('drop', 'counter accept'))],
    ['sends only some to a chain that drops', table('chain b { drop; }', chain('accept', 'iifname "x" jump b'))],
    ['goes elsewhere before it drops', table('chain b { }', chain('accept', 'goto b', 'drop'))],
    ['returns before it drops', table(chain('accept', 'return', 'drop'))],
    ['is of another hook', table('chain gate { type filter hook input priority 0; policy drop; }')],
    [
      'is one of kuke’s own',
      'table inet kukeon {\nchain gate { type filter hook forward priority 0; policy drop; }\n}',
    ],
  ])('%s', (_, script) => {
    nft(script);
    expect(allows('br0')).toBe(true);
    expect(allow('br0')).toBe(0);
  });
});

test.each([
  ['mangle', -150],
  ['filter', 0],
  ['security', 50],
])('rules go first into FORWARD of iptables, table %s', (table, priority) => {
  nft(`table ip ${table} {\nchain FORWARD { type filter hook forward priority ${priority}; policy drop; }\n}`);
  expect(allows('br0')).toBe(false);
  expect(allow('br0')).toBe(2);
  expect(allows('br0')).toBe(true);
});

test('a rule behind which nothing comes any more is put where it is reached', () => {
  nft(table(chain('drop', 'iifname "x" accept')));
  allow('br0');
  nft('insert rule inet t gate drop');
  expect(allows('br0')).toBe(false);
  expect(allow('br0')).toBe(6);
  expect(gate()).toEqual(['OURS', 'drop', 'iifname "x" accept']);
});

test.each(['ip', 'ip6', 'inet'])(
  'chains of the family %s, several of them, and DOCKER-USER where it is called',
  family => {
    nft(`table ${family} t {\n${chain('drop')}chain late { type filter hook forward priority 20; policy drop; }\n}`);
    run('iptables', '-P', 'FORWARD', 'DROP');
    run('iptables', '-N', 'DOCKER-USER');
    expect(allow('br0')).toBe(3 + 3 + 2);
    expect(run('iptables', '-S')).toContain('-A FORWARD -i br0 ');
    run('iptables', '-A', 'FORWARD', '-j', 'DOCKER-USER');
    expect(allow('br0')).toBe(2 + 2);
    expect(run('iptables', '-S')).toContain('-A DOCKER-USER -i br0 ');
    expect(run('iptables', '-S')).not.toContain('-A FORWARD -i br0 ');
    expect(allow()).toBe(3 + 3 + 2);
  },
);

test('FORWARD of iptables that rejects by its last rule, as some images of clouds have it', () => {
  run('iptables', '-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED', '-j', 'ACCEPT');
  run('iptables', '-A', 'FORWARD', '-j', 'LOG');
  expect(allow('br0')).toBe(0);
  run('iptables', '-A', 'FORWARD', '-j', 'REJECT', '--reject-with', 'icmp-host-prohibited');
  expect(allow('br0')).toBe(2);
  expect(run('iptables', '-S', 'FORWARD').split('\n').slice(1, 3)).toEqual([
    expect.stringContaining('kukeon test'),
    expect.stringContaining('kukeon test'),
  ]);
  run('iptables', '-D', 'FORWARD', '-j', 'REJECT', '--reject-with', 'icmp-host-prohibited');
  expect(allow('br0')).toBe(2);
  expect(run('iptables', '-S', 'FORWARD')).not.toContain('kukeon');
});

test('rules of others stay, those that carry another mark too', () => {
  nft(table(chain('drop', 'iifname "br0" counter accept comment "kukeon other"')));
  allow('br0');
  allow();
  expect(gate()).toEqual([expect.stringContaining('kukeon other')]);
});

test('what is missing can be added alone, and is told as commands', () => {
  nft(table(chain('drop')));
  run('ip6tables', '-P', 'FORWARD', 'DROP');
  using socket = new NetlinkSocket('netfilter');
  allow('br0');
  const changes = readForward(socket, MARK).missing(['br1']);
  expect(changes).toHaveLength(5);
  expect(explainForward(changes).split('; ip6tables')).toEqual([
    expect.stringMatching(
      /^nft 'add rule inet t gate iifname "br1" counter accept comment "kukeon test"; add rule .*'$/,
    ),
    ' -I FORWARD -i br1 -m comment --comment "kukeon test" -j ACCEPT',
    ' -I FORWARD -o br1 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -m comment --comment "kukeon test" -j ACCEPT',
  ]);
  expect(readForward(socket, MARK).missing(['br0'])).toEqual([]);
});
