/** Rules of ours in chains of others: those of iptables-nft, and of whoever else. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { add, insert, remove } from '../../../src/host/nftables/change.ts';
import { formatRule } from '../../../src/host/nftables/explain.ts';
import { listChains, listRules, listSets, readTable } from '../../../src/host/nftables/list.ts';
import { type ChainName, rule } from '../../../src/host/nftables/object.ts';
import { accept, counter, match, verdict } from '../../../src/host/nftables/statement.ts';
import { commit } from '../../../src/host/nftables/transaction.ts';
import { nft, nftList, run } from '../netlink/outside.ts';

let socket: NetlinkSocket;
beforeEach(() => {
  socket = new NetlinkSocket('netfilter');
});
afterEach(() => {
  run('nft', 'flush', 'ruleset');
  socket.close();
});

const FORWARD: ChainName = { family: 'ip', table: 'filter', chain: 'FORWARD' };
const FORWARD6: ChainName = { ...FORWARD, family: 'ip6' };
const MARK = 'kuke instance=0123';
const ours = (of: ChainName) => {
  const inSpace = of.family === 'ip' ? match('ip daddr', '10.89.0.0/20') : match('ip6 daddr', 'fd00:89::/64');
  return [
    insert(rule(of, [match('iifname', 'kuke-main-blog'), counter(), accept()], MARK)),
    insert(rule(of, [match('oifname', 'kuke-main-blog'), inSpace, accept()], MARK)),
  ];
};

describe.each([
  ['iptables-nft', FORWARD],
  ['ip6tables-nft', FORWARD6],
] as const)('%s', (iptables, chain) => {
  const shown = () => run(iptables, '-S', 'FORWARD');
  beforeEach(() => {
    run(iptables, '-P', 'FORWARD', 'DROP');
    run(iptables, '-N', 'DOCKER-USER');
    run(iptables, '-A', 'FORWARD', '-j', 'DOCKER-USER');
    run(iptables, '-A', 'FORWARD', '-i', 'docker0', '!', '-o', 'docker0', '-j', 'ACCEPT');
    run(
      iptables,
      '-A',
      'FORWARD',
      '-m',
      'conntrack',
      '--ctstate',
      'RELATED',
      '-m',
      'comment',
      '--comment',
      'x',
      '-j',
      'ACCEPT',
    );
    run(iptables, '-A', 'DOCKER-USER', '-j', 'RETURN');
  });

  test('marked rules come, are seen by iptables and nft, and go; its own stay', () => {
    const before = shown();
    const everything = run(iptables, '-S');
    commit(socket, ours(chain));

    const listed = shown();
    const prefix = chain.family === 'ip' ? '10.89.0.0/20' : 'fd00:89::/64';
    expect(listed.split('\n').slice(0, 3)).toEqual([
      '-P FORWARD DROP',
      `-A FORWARD -d ${prefix} -o kuke-main-blog -m comment --comment "${MARK}" -j ACCEPT`,
      `-A FORWARD -i kuke-main-blog -m comment --comment "${MARK}" -j ACCEPT`,
    ]);
    expect(run(iptables, '-L', 'FORWARD', '-v', '-n')).toContain('kuke-main-blog');
    expect(run(`${iptables}-save`)).toContain('-i kuke-main-blog');
    const printed = nftList('chain', chain.family, 'filter', 'FORWARD');
    expect(printed).toContain(`iifname "kuke-main-blog" counter packets 0 bytes 0 accept comment "${MARK}"`);
    expect(printed).toContain(`oifname "kuke-main-blog" ${chain.family} daddr ${prefix} accept comment "${MARK}"`);

    // iptables goes on changing the chain that our rules are in.
    run(iptables, '-I', 'FORWARD', '1', '-i', 'eth9', '-j', 'DROP');
    run(iptables, '-D', 'FORWARD', '-i', 'eth9', '-j', 'DROP');
    expect(shown()).toBe(listed);

    // Even after it has written all of it anew.
    Bun.spawnSync([`${iptables}-restore`], { stdin: Buffer.from(run(`${iptables}-save`)) });
    expect(shown()).toBe(listed);

    const marked = listRules(socket, chain).filter(found => found.comment === MARK);
    expect(marked).toHaveLength(2);
    commit(socket, marked.map(remove));
    expect(shown()).toBe(before);
    expect(run(iptables, '-S')).toBe(everything);
  });

  test("iptables' own rules are listed, with what is not known here kept as it is", () => {
    const rules = listRules(socket, chain);
    expect(rules.map(formatRule)).toEqual([
      'counter jump DOCKER-USER',
      'iifname "docker0" oifname != "docker0" counter accept',
      '<match> counter accept comment "x"',
    ]);
    const before = shown();
    const [, , third] = rules;
    if (!third) throw new Error('no third rule');
    const { handle: _, ...copy } = third;
    commit(socket, [remove(third), add(copy)]);
    expect(shown()).toBe(before);
    expect(listRules(socket, chain).map(formatRule)).toEqual(rules.map(formatRule));
  });

  test('rules before and in DOCKER-USER', () => {
    const user: ChainName = { ...chain, chain: 'DOCKER-USER' };
    commit(socket, [insert(rule(user, [match('iifname', 'kuke-x'), verdict('return')], MARK))]);
    expect(run(iptables, '-S', 'DOCKER-USER')).toContain('-A DOCKER-USER -i kuke-x');
    expect(listRules(socket, { family: chain.family, table: 'filter' }).filter(r => r.comment === MARK)).toHaveLength(
      1,
    );
  });
});

test('a table full of what is not known here is read without a fault', () => {
  nft(`table inet other {
    counter hits { }
    set seen { type ipv4_addr . inet_service; flags dynamic,timeout; timeout 1m; size 100; }
    set dscp { type dscp; elements = { cs1 } }
    map limits { type ipv4_addr : counter; }
    chain c {
      type filter hook input priority 0;
      ip saddr { 10.0.0.1, 10.0.0.2 } tcp dport { 80, 443 } accept
      add @seen { ip saddr . tcp dport timeout 5s limit rate 3/second } accept
      tcp flags syn tcp option maxseg size set 1400
      log prefix "x"
      ip dscp cs1 meta mark set 0x5 counter name hits
      ct original ip saddr 10.0.0.1 quota 10 mbytes drop
      ip saddr vmap { 10.0.0.0/8 : drop, 11.0.0.0/8 : jump d }
      udp dport != { 53 } meta cpu 1
      ether saddr 02:00:00:00:00:01 meta pkttype broadcast
    }
    chain d { }
  }
  table netdev nd { }
  table arp a {
    chain x { type filter hook input priority 0; arp operation request drop; }
  }
  table bridge b {
    chain x { type filter hook forward priority -200; ip saddr 10.0.0.1 drop; }
  }
  `);
  const before = nftList('ruleset');
  const { content } = readTable(socket, { family: 'inet', table: 'other' });
  expect(content?.chains.map(chain => chain.chain)).toEqual(['c', 'd']);
  expect(content?.rules).toHaveLength(9);
  expect(content?.sets.map(({ set }) => set.set)).toEqual(['seen']);
  for (const [family, table] of [
    ['arp', 'a'],
    ['bridge', 'b'],
  ] as const) {
    expect(listChains(socket, { family, table })).toHaveLength(1);
    expect(listRules(socket, { family, table })).toHaveLength(1);
    expect(listSets(socket, { family, table })).toEqual([]);
  }
  expect(nftList('ruleset')).toBe(before);
});
