import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { add, type Change, insert, remove, replace } from '../../../src/host/nftables/change.ts';
import { compile } from '../../../src/host/nftables/compile.ts';
import { explain, formatRule } from '../../../src/host/nftables/explain.ts';
import {
  getTable,
  listChains,
  listElements,
  listRules,
  listSets,
  listTables,
  readTable,
} from '../../../src/host/nftables/list.ts';
import { familyNumber, MESSAGE, messageType, ruleMessage } from '../../../src/host/nftables/message.ts';
import { chain, elements, map, rule, set, table } from '../../../src/host/nftables/object.ts';
import {
  accept,
  counter,
  dnat,
  drop,
  inSet,
  jump,
  masquerade,
  match,
  notInSet,
  reject,
  snat,
  verdict,
  verdictMap,
} from '../../../src/host/nftables/statement.ts';
import { commit } from '../../../src/host/nftables/transaction.ts';
import { nft, nftJson, nftList, run } from '../netlink/outside.ts';

let socket: NetlinkSocket;
beforeEach(() => {
  socket = new NetlinkSocket('netfilter');
});
afterEach(() => {
  run('nft', 'flush', 'ruleset');
  socket.close();
});

const kukeon = table('inet', 'kukeon', 'made by a test');
const bridges = set(kukeon, 'bridges', ['ifname'], { comment: 'our bridges' });
const pairs = set(kukeon, 'pairs', ['ifname', 'ifname']);
const gateways = set(kukeon, 'gateways', ['ifname', 'ipv4_addr']);
const ranges = set(kukeon, 'ranges', ['ipv4_addr'], { interval: true });
const ranges6 = set(kukeon, 'ranges6', ['ipv6_addr'], { interval: true });
const perBridge = set(kukeon, 'perbridge', ['ifname', 'ipv4_addr'], { interval: true });
const macs = set(kukeon, 'macs', ['ether_addr', 'mark']);
const verdicts = map(kukeon, 'verdicts', ['ifname'], 'verdict');
const published = map(kukeon, 'published', ['inet_proto', 'inet_service'], ['ipv4_addr', 'inet_service']);
const targets6 = map(kukeon, 'targets6', ['inet_service'], ['ipv6_addr']);
const forward = chain(kukeon, 'forward', { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' });
const input = chain(kukeon, 'input', { type: 'filter', hook: 'input', priority: -10, policy: 'drop' });
const dstnat = chain(kukeon, 'dstnat', { type: 'nat', hook: 'prerouting', priority: -100, policy: 'accept' });
const srcnat = chain(kukeon, 'srcnat', { type: 'nat', hook: 'postrouting', priority: 100, policy: 'accept' });
const isolate = chain(kukeon, 'isolate', undefined, 'between spaces');

const everything: Change[] = [
  kukeon,
  ...[forward, input, dstnat, srcnat, isolate],
  ...[bridges, pairs, gateways, ranges, ranges6, perBridge, macs, verdicts, published, targets6],
  elements(bridges, [{ key: ['br0'], comment: 'space=one' }, { key: ['br1'] }]),
  elements(pairs, [{ key: ['br0', 'br0'] }, { key: ['br1', 'br1'], comment: 'two' }]),
  elements(gateways, [{ key: ['br0', '10.89.0.1'] }]),
  elements(ranges, [
    { key: ['10.89.0.0/20'] },
    { key: ['10.89.16.0/20'] },
    { key: ['224.0.0.0/3'] },
    { key: ['10.0.0.1-10.0.0.9'] },
  ]),
  elements(ranges6, [{ key: ['fd00::/8'] }, { key: ['::1'] }]),
  elements(perBridge, [{ key: ['br0', '10.0.0.0/8'] }, { key: ['br1', '10.1.2.3'] }]),
  elements(macs, [{ key: ['02:00:00:00:00:01', '0x00000007'] }]),
  elements(verdicts, [
    { key: ['br0'], data: { jump: 'isolate' } },
    { key: ['br1'], data: 'drop', comment: 'x' },
  ]),
  elements(published, [{ key: ['tcp', '80'], data: ['10.89.0.2', '8080'] }]),
  elements(targets6, [{ key: ['443'], data: ['fd00::2'] }]),
  rule(forward, [inSet(['iifname', 'oifname'], 'pairs'), accept()], 'same space'),
  rule(forward, [inSet('iifname', 'bridges'), notInSet('oifname', 'bridges'), counter(), accept()]),
  rule(forward, [verdictMap('iifname', 'verdicts')]),
  rule(forward, [inSet(['iifname', 'ip saddr'], 'perbridge'), drop()]),
  rule(forward, [match('ip saddr', '10.1.0.0/17'), match('tcp dport', '80'), verdict('return')]),
  rule(forward, [match('ip6 saddr', 'fd00::/9'), match('meta mark', '0x00000001'), verdict({ goto: 'isolate' })]),
  rule(forward, [match('ip daddr', '!=', '10.0.0.0/8'), match('th dport', '!=', '1000-2000'), drop()]),
  rule(input, [match('ct state', 'established,related'), accept()]),
  rule(input, [match('fib daddr type', 'local'), match('icmp type', 'echo-request'), accept()]),
  rule(input, [match('iifname', 'kuke-*'), match('icmpv6 type', 'nd-neighbor-solicit'), accept()]),
  rule(input, [match('iifname', 'lo'), match('udp sport', '>=', '1024'), jump('isolate')]),
  rule(input, [
    { ...match('meta mark', '0x00000010'), mask: '0x000000ff' },
    match('meta l4proto', 'tcp'),
    reject('tcp reset'),
  ]),
  rule(input, [reject('icmpx admin-prohibited')], 'the rest'),
  rule(dstnat, [dnat('ip', { left: ['meta l4proto', 'th dport'], map: 'published', withPort: true })]),
  rule(dstnat, [dnat('ip6', { left: ['tcp dport'], map: 'targets6', withPort: false })]),
  rule(dstnat, [match('tcp dport', '81'), dnat('ip', { address: '10.89.0.3', port: 8081 })]),
  rule(dstnat, [match('tcp dport', '82'), dnat('ip6', { address: 'fd00::1', port: 8082 })]),
  rule(srcnat, [inSet('ip saddr', 'ranges'), notInSet('oifname', 'bridges'), masquerade()]),
  rule(srcnat, [match('ip6 saddr', 'fd00::1'), snat('ip6', { address: 'fd00::99' })]),
  rule(srcnat, [masquerade({ random: true })]),
].map(add);

// As a person would have written it, word for word as nft prints it.
const PRINTED = `table inet kukeon {
	comment "made by a test"
	set bridges {
		type ifname
		comment "our bridges"
		elements = { "br0" comment "space=one",
			     "br1" }
	}

	set pairs {
		type ifname . ifname
		elements = { "br0" . "br0",
			     "br1" . "br1" comment "two" }
	}

	set gateways {
		type ifname . ipv4_addr
		elements = { "br0" . 10.89.0.1 }
	}

	set ranges {
		type ipv4_addr
		flags interval
		elements = { 10.0.0.1-10.0.0.9, 10.89.0.0/20,
			     10.89.16.0/20, 224.0.0.0/3 }
	}

	set ranges6 {
		type ipv6_addr
		flags interval
		elements = { ::1,
			     fd00::/8 }
	}

	set perbridge {
		type ifname . ipv4_addr
		flags interval
		elements = { "br0" . 10.0.0.0/8,
			     "br1" . 10.1.2.3 }
	}

	set macs {
		type ether_addr . mark
		elements = { 02:00:00:00:00:01 . 0x00000007 }
	}

	map verdicts {
		type ifname : verdict
		elements = { "br0" : jump isolate,
			     "br1" comment "x" : drop }
	}

	map published {
		type inet_proto . inet_service : ipv4_addr . inet_service
		elements = { tcp . 80 : 10.89.0.2 . 8080 }
	}

	map targets6 {
		type inet_service : ipv6_addr
		elements = { 443 : fd00::2 }
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname . oifname @pairs accept comment "same space"
		iifname @bridges oifname != @bridges counter packets 0 bytes 0 accept
		iifname vmap @verdicts
		iifname . ip saddr @perbridge drop
		ip saddr 10.1.0.0/17 tcp dport 80 return
		ip6 saddr fd00::/9 meta mark 0x00000001 goto isolate
		ip daddr != 10.0.0.0/8 th dport != 1000-2000 drop
	}

	chain input {
		type filter hook input priority filter - 10; policy drop;
		ct state established,related accept
		fib daddr type local icmp type echo-request accept
		iifname "kuke-*" icmpv6 type nd-neighbor-solicit accept
		iifname "lo" udp sport >= 1024 jump isolate
		meta mark & 0x000000ff == 0x00000010 meta l4proto tcp reject with tcp reset
		reject with icmpx admin-prohibited comment "the rest"
	}

	chain dstnat {
		type nat hook prerouting priority dstnat; policy accept;
		dnat ip to meta l4proto . th dport map @published
		dnat ip6 to tcp dport map @targets6
		tcp dport 81 dnat ip to 10.89.0.3:8081
		tcp dport 82 dnat ip6 to [fd00::1]:8082
	}

	chain srcnat {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr @ranges oifname != @bridges masquerade
		ip6 saddr fd00::1 snat ip6 to fd00::99
		masquerade fully-random
	}

	chain isolate {
		comment "between spaces"
	}
}
`;

/** The lines of a ruleset, sorted: hash tables list their elements in an order of their own. */
const sorted = (text: string) =>
  text
    .replaceAll(/,\n\s+/g, ', ')
    .split('\n')
    .map(line =>
      line.includes('elements')
        ? line
            .split(/[{},]/)
            .map(part => part.trim())
            .sort()
            .join()
        : line,
    );

describe('what is written', () => {
  test('is printed by nft as a person would have written it', () => {
    commit(socket, everything);
    expect(sorted(nftList('ruleset'))).toEqual(sorted(PRINTED));
    commit(socket, [remove(kukeon)]);
    expect(nftList('ruleset')).toBe('');
  });

  test('is what the explained commands do, typed one by one', () => {
    commit(socket, everything);
    const ours = nftList('ruleset');
    const rules = listRules(socket, kukeon);
    commit(socket, [remove(kukeon)]);
    for (const change of everything) run('sh', '-c', explain(change));
    expect(sorted(nftList('ruleset'))).toEqual(sorted(ours));
    expect(listRules(socket, kukeon).map(formatRule)).toEqual(rules.map(formatRule));
  });

  test('is listed as it was written', () => {
    commit(socket, everything);
    const objects = everything.map(change => change.object);
    const { content } = readTable(socket, kukeon);
    expect(listTables(socket)).toEqual([kukeon]);
    expect(content?.table).toEqual(kukeon);
    expect(content?.chains).toEqual(objects.filter(o => o.kind === 'chain'));
    const byKey = (list: { key: string[] }[]) => list.toSorted((a, b) => (a.key.join() < b.key.join() ? -1 : 1));
    for (const written of objects.filter(o => o.kind === 'elements')) {
      const read = content?.sets.find(o => o.set.set === written.set.set);
      expect(read?.set).toEqual(written.set);
      expect(byKey(read?.elements ?? [])).toEqual(byKey(written.elements));
    }
    expect(content?.rules.map(formatRule)).toEqual(objects.filter(o => o.kind === 'rule').map(formatRule));
    expect(content?.rules.map(({ handle, ...rest }) => rest)).toEqual(objects.filter(o => o.kind === 'rule'));
  });

  test('is what nft itself sends for the same text', () => {
    const expressions = (): unknown[] => {
      const request = { step: 'list rules', type: messageType(MESSAGE.rule.get), codec: ruleMessage };
      const value = { family: familyNumber('inet'), table: 'kukeon' };
      return socket.dump({ ...request, value }, message => ruleMessage.read(message.body).expressions);
    };
    commit(socket, everything);
    const ours = expressions();
    const text = nftList('ruleset');
    run('nft', 'flush', 'ruleset');
    nft(text);
    expect(ours).toEqual(expressions());
    // And what nft wrote is read, and compiled to the same again.
    expect(listRules(socket, kukeon).map(r => compile('inet', r.statements).length)).toEqual(
      expressions().map(list => (Array.isArray(list) ? list.length : 0)),
    );
  });
});

describe('changes', () => {
  beforeEach(() => commit(socket, [add(kukeon), add(forward), add(bridges)]));
  const shown = () => listRules(socket, forward).map(formatRule);

  test('a rule is inserted, replaced, deleted by its handle', () => {
    commit(socket, [
      add(rule(forward, [match('iifname', 'a'), drop()])),
      add(rule(forward, [match('iifname', 'c'), drop()])),
    ]);
    const [, second] = listRules(socket, forward);
    commit(socket, [
      insert(rule(forward, [match('iifname', 'b'), drop()]), second?.handle),
      insert(rule(forward, [accept()], 'first')),
    ]);
    expect(shown()).toEqual(['accept comment "first"', 'iifname "a" drop', 'iifname "b" drop', 'iifname "c" drop']);
    const [first, a] = listRules(socket, forward);
    if (!first || !a) throw new Error('no rules');
    commit(socket, [remove(first), replace({ ...a, statements: [match('iifname', 'A'), accept()], comment: 'new' })]);
    expect(shown()).toEqual(['iifname "A" accept comment "new"', 'iifname "b" drop', 'iifname "c" drop']);
    expect(nftJson('chain', 'inet', 'kukeon', 'forward').filter(o => 'rule' in o)).toHaveLength(3);
    expect(explain(remove(first))).toBe(`nft delete rule inet kukeon forward handle ${first.handle}`);
    expect(() => commit(socket, [remove(first)])).toThrow(
      `delete rule inet kukeon forward handle ${first.handle}: No such file or directory (ENOENT)`,
    );
  });

  test('elements come and go singly, a policy changes in place', () => {
    commit(socket, [add(elements(bridges, [{ key: ['br0'] }, { key: ['br1'] }]))]);
    commit(socket, [
      remove(elements(bridges, [{ key: ['br0'] }])),
      add(elements(bridges, [{ key: ['br2'], comment: 'c' }])),
    ]);
    expect(listElements(socket, bridges)).toEqual(
      expect.arrayContaining([{ key: ['br1'] }, { key: ['br2'], comment: 'c' }]),
    );
    expect(listElements(socket, bridges)).toHaveLength(2);
    const policy = chain(kukeon, 'forward', { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' });
    commit(socket, [add(policy)]);
    expect(listChains(socket, kukeon)).toEqual([policy]);
    expect(nftList('ruleset')).toContain('hook forward priority filter; policy drop;');
  });

  test('chains, sets and the table go', () => {
    commit(socket, [remove(forward), remove(bridges)]);
    expect(listChains(socket, kukeon)).toEqual([]);
    expect(listSets(socket, kukeon)).toEqual([]);
    commit(socket, [remove(kukeon)]);
    expect(getTable(socket, kukeon)).toBeUndefined();
    expect(listTables(socket)).toEqual([]);
    expect(readTable(socket, kukeon).content).toBeUndefined();
    expect(nftJson('ruleset')).toEqual([]);
  });
});

test('intervals are added and deleted next to each other, in any order', () => {
  const ports = set(kukeon, 'ports', ['inet_service'], { interval: true });
  commit(socket, [add(kukeon), add(ports)]);
  const list = ['0-9', '10-19', '20', '21-65000', '65001-65535'];
  for (const key of list.toReversed()) commit(socket, [add(elements(ports, [{ key: [key] }]))]);
  expect(listElements(socket, ports)).toEqual(list.map(key => ({ key: [key] })));
  for (const [index, key] of ['10-19', '65001-65535', '0-9'].entries()) {
    commit(socket, [remove(elements(ports, [{ key: [key] }]))]);
    expect(listElements(socket, ports)).toHaveLength(4 - index);
  }
  expect(nftList('ruleset')).toContain('elements = { 20, 21-65000 }');
});
