/** Two bridges with namespaces on them, made and isolated in process: what the packets do. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { addAddress } from '../../../src/host/netlink/address.ts';
import { createBridge, createVeth, setLink } from '../../../src/host/netlink/link.ts';
import { addRoute } from '../../../src/host/netlink/route.ts';
import { NetlinkSocket } from '../../../src/host/netlink/socket.ts';
import { createNetns, deleteNetns, within } from '../../../src/host/netns.ts';
import { add, remove } from '../../../src/host/nftables/change.ts';
import type { TableContent } from '../../../src/host/nftables/list.ts';
import { chain, elements, map, rule, set, table } from '../../../src/host/nftables/object.ts';
import {
  accept,
  counter,
  dnat,
  drop,
  inSet,
  masquerade,
  match,
  notInSet,
} from '../../../src/host/nftables/statement.ts';
import { commit } from '../../../src/host/nftables/transaction.ts';
import { nftList } from '../netlink/outside.ts';
import { reconcile } from './reconciled.ts';

const CELLS = {
  a1: { bridge: 'br-a', v4: '10.89.0.2', v6: 'fd00:a::2' },
  a2: { bridge: 'br-a', v4: '10.89.0.3', v6: 'fd00:a::3' },
  b1: { bridge: 'br-b', v4: '10.89.16.2', v6: 'fd00:b::2' },
} as const;
type Cell = keyof typeof CELLS;
const GATEWAYS = {
  'br-a': { v4: '10.89.0.1', v6: 'fd00:a::1' },
  'br-b': { v4: '10.89.16.1', v6: 'fd00:b::1' },
} as const;
const OUTSIDE = '192.0.2.2';
const netns = (name: string) => `/run/netns/${name}`;

const route = new NetlinkSocket('route');
const nft = new NetlinkSocket('netfilter');

/** A namespace on the end of a veth, with addresses and default routes. */
function attach(name: string, host: { name: string; master?: string }, addresses: string[], gateways: string[]): void {
  createNetns(netns(name));
  createVeth(route, { ...host, up: true, peer: { name: 'eth0', netns: netns(name) } });
  using inside = within(netns(name), () => new NetlinkSocket('route'));
  setLink(inside, 'lo', { up: true });
  setLink(inside, 'eth0', { up: true });
  for (const address of addresses) addAddress(inside, { link: 'eth0', address, noDad: true });
  for (const gateway of gateways) {
    addRoute(inside, { destination: gateway.includes(':') ? '::/0' : '0.0.0.0/0', gateway });
  }
}

beforeAll(() => {
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '1');
  for (const [bridge, { v4, v6 }] of Object.entries(GATEWAYS)) {
    createBridge(route, { name: bridge, up: true });
    addAddress(route, { link: bridge, address: `${v4}/20` });
    addAddress(route, { link: bridge, address: `${v6}/64`, noDad: true });
  }
  for (const [name, { bridge, v4, v6 }] of Object.entries(CELLS)) {
    const gateway = GATEWAYS[bridge];
    attach(name, { name: `veth-${name}`, master: bridge }, [`${v4}/20`, `${v6}/64`], [gateway.v4, gateway.v6]);
  }
  attach('outside', { name: 'uplink' }, [`${OUTSIDE}/24`], []);
  addAddress(route, { link: 'uplink', address: '192.0.2.1/24' });
});
afterAll(() => {
  for (const name of [...Object.keys(CELLS), 'outside']) deleteNetns(netns(name));
  route.close();
  nft.close();
});

const reaches = async (from: string, address: string): Promise<boolean> => {
  const ping = ['ip', 'netns', 'exec', from, 'busybox', 'ping', '-c1', '-W1', address];
  return (await Bun.spawn(ping, { stdout: 'ignore', stderr: 'ignore' }).exited) === 0;
};

const kukeon = table('inet', 'kukeon');
const forward = chain(kukeon, 'forward', { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' });
const input = chain(kukeon, 'input', { type: 'filter', hook: 'input', priority: 0, policy: 'accept' });
const prerouting = chain(kukeon, 'prerouting', { type: 'nat', hook: 'prerouting', priority: -100, policy: 'accept' });
const postrouting = chain(kukeon, 'postrouting', { type: 'nat', hook: 'postrouting', priority: 100, policy: 'accept' });
const bridges = set(kukeon, 'bridges', ['ifname']);
const pairs = set(kukeon, 'pairs', ['ifname', 'ifname']);
const gateways4 = set(kukeon, 'gateways4', ['ifname', 'ipv4_addr']);
const gateways6 = set(kukeon, 'gateways6', ['ifname', 'ipv6_addr']);
const ranges = set(kukeon, 'ranges', ['ipv4_addr'], { interval: true });
const published = map(kukeon, 'published', ['inet_proto', 'inet_service'], ['ipv4_addr', 'inet_service']);

const names = Object.keys(GATEWAYS);
const isolation: TableContent = {
  table: kukeon,
  chains: [forward, input, prerouting, postrouting],
  sets: [
    elements(
      bridges,
      names.map(name => ({ key: [name] })),
    ),
    elements(
      pairs,
      names.map(name => ({ key: [name, name] })),
    ),
    elements(
      gateways4,
      Object.entries(GATEWAYS).map(([name, { v4 }]) => ({ key: [name, v4] })),
    ),
    elements(
      gateways6,
      Object.entries(GATEWAYS).map(([name, { v6 }]) => ({ key: [name, v6] })),
    ),
    elements(ranges, [{ key: ['10.89.0.0/20'] }, { key: ['10.89.16.0/20'] }]),
    elements(published, [{ key: ['tcp', '8080'], data: [CELLS.a1.v4, '80'] }]),
  ],
  rules: [
    rule(forward, [inSet(['iifname', 'oifname'], 'pairs'), accept()]),
    rule(forward, [inSet('iifname', 'bridges'), inSet('oifname', 'bridges'), counter(), drop()]),
    rule(input, [
      inSet('iifname', 'bridges'),
      match('ip daddr', '10.0.0.0/8'),
      notInSet(['iifname', 'ip daddr'], 'gateways4'),
      drop(),
    ]),
    rule(input, [
      inSet('iifname', 'bridges'),
      match('ip6 daddr', 'fd00::/8'),
      notInSet(['iifname', 'ip6 daddr'], 'gateways6'),
      drop(),
    ]),
    rule(prerouting, [
      match('fib daddr type', 'local'),
      dnat('ip', { left: ['meta l4proto', 'th dport'], map: 'published', withPort: true }),
    ]),
    rule(postrouting, [inSet('ip saddr', 'ranges'), notInSet('oifname', 'bridges'), masquerade()]),
  ],
};

const versions = ['v4', 'v6'] as const;

describe('without rules', () => {
  test.each(versions)('everyone reaches everyone: %s', async version => {
    // IPv6 answers a second or two after a link has come up.
    while (!(await reaches('a1', CELLS.b1[version])));
    expect(await reaches('a1', CELLS.a2[version])).toBe(true);
    expect(await reaches('a1', GATEWAYS['br-b'][version])).toBe(true);
  });

  test('the outside has no way back', async () => {
    expect(await reaches('a1', OUTSIDE)).toBe(false);
  });
});

describe('with the rules', () => {
  beforeAll(() => {
    reconcile(nft, isolation);
  });
  const to = (cell: Cell, version: 'v4' | 'v6') => CELLS[cell][version];

  test.each(versions)('a space is alone with itself and its gateway: %s', async version => {
    const open = [
      reaches('a1', to('a2', version)),
      reaches('a1', GATEWAYS['br-a'][version]),
      reaches('b1', GATEWAYS['br-b'][version]),
    ];
    const closed = [
      reaches('a1', to('b1', version)),
      reaches('b1', to('a2', version)),
      reaches('a1', GATEWAYS['br-b'][version]),
    ];
    expect(await Promise.all(open)).toEqual([true, true, true]);
    expect(await Promise.all(closed)).toEqual([false, false, false]);
  });

  test('what was dropped was counted', () => {
    expect(nftList('chain', 'inet', 'kukeon', 'forward')).toMatch(/counter packets [1-9]\d* bytes \d+ drop/);
  });

  test('the outside answers, for it sees the host', async () => {
    expect(await reaches('a1', OUTSIDE)).toBe(true);
  });

  test('a published port leads to its cell', async () => {
    // The listening socket is made inside, and stays there.
    const hello = { open: (client: { end(text: string): void }) => client.end('hello\n'), data() {} };
    const server = within(netns('a1'), () => ({
      listener: Bun.listen({ hostname: CELLS.a1.v4, port: 80, socket: hello }),
    }));
    const connect = ['ip', 'netns', 'exec', 'outside', 'busybox', 'nc', '-w', '2'];
    try {
      const client = Bun.spawn([...connect, '192.0.2.1', '8080']);
      expect(await new Response(client.stdout).text()).toBe('hello\n');
      const closed = Bun.spawn([...connect, '192.0.2.1', '8081'], { stderr: 'ignore' });
      expect(await new Response(closed.stdout).text()).toBe('');
    } finally {
      server.listener.stop(true);
    }
  });

  test('a set element opens a way between spaces, and closes it again, without a rule being touched', async () => {
    const both = elements(pairs, [{ key: ['br-a', 'br-b'] }, { key: ['br-b', 'br-a'] }]);
    commit(nft, [add(both)]);
    expect(await reaches('a1', CELLS.b1.v4)).toBe(true);
    commit(nft, [remove(both)]);
    expect(await reaches('a1', CELLS.b1.v4)).toBe(false);
  });

  test('without the table everyone reaches everyone again', async () => {
    commit(nft, [remove(kukeon)]);
    expect(nftList('ruleset')).toBe('');
    expect(await reaches('a1', CELLS.b1.v6)).toBe(true);
  });
});
