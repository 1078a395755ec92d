/**
 * What root inside a privileged cell can try, to reach another space: addresses of others, their gateway's MAC address, ARP, neighbour
 * discovery, broadcasts, the host's loopback. Counted is what arrives, in the other cell and at the host behind kuke's rules; each attack
 * is tried without the rules as well, where it does arrive.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NetworkDefinition } from '../../../src/kernel/backends/index.ts';
import { context } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { CONFIG_PATH, cleanHost, testBackend } from './backend.ts';
import { all, cell, echo, expectWays, makeOutside, NOTHING, OUTSIDE, type TestCell, UPLINK } from './packets.ts';
import type { Sending } from './send.ts';

const { backend } = testBackend();
const servers: Disposable[] = [];
const networks: NetworkDefinition[] = [];
let attacker: TestCell;
let victim: TestCell;
let victim6: string;
let macs: { own: string; other: string };

const [home, other] = [{ gateway6: 'fd00:1::1' }, { gateway6: 'fd00:2::1' }];
const of = (index: number) => networks[index] as NetworkDefinition;
const define = async () => {
  for (const network of networks) await backend.define(network, context());
};

beforeAll(async () => {
  writeFileSync('/proc/sys/net/ipv6/conf/default/accept_dad', '0');
  await makeOutside();
  for (const [index, space] of ['default', 'other'].entries()) {
    const { notes: _, ...network } = await backend.choose({
      realm: 'main',
      space,
      configPath: CONFIG_PATH,
      subnets: [`fd00:${index + 1}::/64`],
    });
    await backend.define(network, context());
    networks.push(network);
  }
  attacker = await cell(backend, of(0), 'attacker');
  victim = await cell(backend, of(1), 'victim');
  victim6 = victim.attachment.addresses[1]?.split('/')[0] ?? '';
  const { stdout } = Bun.spawnSync(['ip', '-j', 'link']);
  const links = JSON.parse(stdout.toString()) as { ifname: string; address: string }[];
  const mac = (name: string) => links.find(({ ifname }) => ifname === name)?.address ?? '';
  macs = { own: mac(of(0).bridge), other: mac(of(1).bridge) };
  await output('sysctl', '-qw', `net.ipv4.conf.${of(0).bridge}.route_localnet=1`); // as publishing ports on it does
});
afterAll(async () => {
  for (const server of servers) server[Symbol.dispose]();
  await cleanHost();
});

const inside = (...command: string[]) => {
  const { exitCode, stdout } = Bun.spawnSync(['ip', 'netns', 'exec', attacker.name, ...command], { stderr: 'ignore' });
  return { ok: exitCode === 0, stdout: stdout.toString() };
};

/** Sends TCP, UDP and ICMP to addresses, if need be from others that the cell has been given for it. */
async function send(...ways: [to: string, from?: string][]): Promise<void> {
  const pings = ways.map(([to, from]) => {
    const program = to.includes(':') ? 'ping6' : 'ping';
    return ['timeout', '0.4', 'busybox', program, ...(from === undefined ? [] : ['-I', from]), '-c1', to];
  });
  const sendings = ways.map(([to, from]): Sending => ({ to, port: 7, ...(from !== undefined && { from }) }));
  const run = (command: string[]) => Bun.spawn(['ip', 'netns', 'exec', attacker.name, ...command], quiet).exited;
  await Promise.all([sending(attacker.name, ...sendings), ...pings.map(run)]);
}

const sending = (netns: string, ...list: Sending[]) =>
  Bun.spawn(
    [...['ip', 'netns', 'exec', netns, process.execPath], ...[join(import.meta.dir, 'send.ts'), JSON.stringify(list)]],
    { stdin: 'ignore', stdout: 'inherit', stderr: 'inherit' },
  ).exited;
const quiet = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' } as const;

/** Counters: of all but the neighbours' own talk that comes into the other cell; at the host, of what is not the attacker's to send. */
async function watch(): Promise<void> {
  const count = 'counter name seen';
  const strangers =
    'icmpv6 type != { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report }';
  await output(
    ...['ip', 'netns', 'exec', victim.name, 'nft'],
    `table inet watch {
      counter seen { }
      chain in {
        type filter hook prerouting priority -400;
        iifname eth0 ip protocol { tcp, udp, icmp } ${count}
        iifname eth0 ip6 nexthdr { tcp, udp } ${count}
        iifname eth0 ${strangers} ${count}
      }
    }`,
  );
  const { bridge, subnet } = of(0);
  await output(
    'nft',
    `table inet watch {
      counter seen { }
      chain in {
        type filter hook input priority 50;
        iifname "${bridge}" ip daddr { ${of(1).subnet}, 127.0.0.0/8 } ${count}
        iifname "${bridge}" ip6 daddr fd00:2::/64 ${count}
        iifname "${bridge}" ip saddr != ${subnet} ip saddr != 0.0.0.0 ${count}
        iifname "${bridge}" ip6 saddr != { fd00:1::/64, fe80::/10, :: } ${count}
      }
    }`,
  );
}

async function seen(): Promise<{ victim: number; host: number }> {
  const packets = (text: string) => Number(/packets (\d+)/.exec(text)?.[1]);
  return {
    victim: packets(await output('ip', 'netns', 'exec', victim.name, 'nft', 'list', 'counters')),
    host: packets(await output('nft', 'list', 'counters')),
  };
}

interface Attack {
  /** Who gets something where nothing keeps the spaces apart. */
  reaches: ('victim' | 'host')[];
  /** Commands inside the cell that get it ready; and those that undo them. */
  prepare?: () => string[];
  undo?: () => string[];
  sends: () => [to: string, from?: string][];
}

const address = (one: string) => [`ip addr add ${one} dev eth0 nodad`, `ip addr del ${one} dev eth0`] as const;

const attacks: Record<string, Attack> = {
  'plainly, by its default route': {
    reaches: ['victim', 'host'],
    sends: () => [[victim.address], [victim6], [of(1).gateway], [other.gateway6]],
  },
  'under an address of the other space': {
    reaches: ['victim', 'host'],
    prepare: () => [address('10.89.0.77/32')[0], address('fd00:2::77/128')[0]],
    undo: () => [address('10.89.0.77/32')[1], address('fd00:2::77/128')[1]],
    sends: () => [
      [victim.address, '10.89.0.77'],
      [victim6, 'fd00:2::77'],
      [of(1).gateway, '10.89.0.77'],
      [other.gateway6, 'fd00:2::77'],
    ],
  },
  'under an address of nobody': {
    reaches: ['victim', 'host'],
    prepare: () => [address('198.51.100.7/32')[0], address('2001:db8:7::7/128')[0]],
    undo: () => [address('198.51.100.7/32')[1], address('2001:db8:7::7/128')[1]],
    sends: () => [
      [victim.address, '198.51.100.7'],
      [victim6, '2001:db8:7::7'],
      [of(0).gateway, '198.51.100.7'],
      [home.gateway6, '2001:db8:7::7'],
    ],
  },
  'by answers that go to another: under the other cell’s own address': {
    reaches: ['victim', 'host'],
    prepare: () => [address(`${victim.address}/32`)[0], address(`${victim6}/128`)[0]],
    undo: () => [address(`${victim.address}/32`)[1], address(`${victim6}/128`)[1]],
    sends: () => [
      [of(0).gateway, victim.address],
      [home.gateway6, victim6],
      [UPLINK, victim.address],
      [OUTSIDE, victim.address],
    ],
  },
  'with a second address in the other range, and its gateway’s MAC address known': {
    reaches: ['host'],
    prepare: () => [
      address('10.89.0.78/20')[0],
      address('fd00:2::78/64')[0],
      ...[of(1).gateway, other.gateway6, '10.89.15.255'].map(
        one => `ip neigh replace ${one} lladdr ${macs.own} dev eth0`,
      ),
    ],
    undo: () => [address('10.89.0.78/20')[1], address('fd00:2::78/64')[1]],
    sends: () => [
      [of(1).gateway, '10.89.0.78'],
      [of(1).gateway, attacker.address],
      [other.gateway6, 'fd00:2::78'],
      ['10.89.15.255', attacker.address],
    ],
  },
  'with the other cell’s address on the MAC address of the host': {
    reaches: ['victim'],
    prepare: () => [
      address('10.89.0.79/20')[0],
      address('fd00:2::79/64')[0],
      ...[victim.address, victim6].map(one => `ip neigh replace ${one} lladdr ${macs.own} dev eth0`),
    ],
    undo: () => [address('10.89.0.79/20')[1], address('fd00:2::79/64')[1]],
    sends: () => [
      [victim.address, '10.89.0.79'],
      [victim.address, attacker.address],
      [victim6, 'fd00:2::79'],
    ],
  },
  'to the host’s loopback, where that is routed': {
    reaches: ['host'],
    prepare: () => [
      'sysctl -qw net.ipv4.conf.all.route_localnet=1',
      'ip addr del 127.0.0.1/8 dev lo',
      `ip route add 127.0.0.1/32 via ${of(0).gateway} src ${attacker.address}`,
    ],
    undo: () => ['ip route del 127.0.0.1/32', 'ip addr add 127.0.0.1/8 dev lo'],
    sends: () => [['127.0.0.1']],
  },
};

describe.each([1, 0])('with bridge-nf-call-iptables=%d', bridged => {
  beforeEach(async () => {
    for (const version of ['ip', 'ip6']) {
      writeFileSync(`/proc/sys/net/bridge/bridge-nf-call-${version}tables`, `${bridged}`);
    }
    await watch();
  });
  afterEach(async () => {
    await output('nft', 'delete', 'table', 'inet', 'watch');
    await output('ip', 'netns', 'exec', victim.name, 'nft', 'delete', 'table', 'inet', 'watch');
    await define();
  });

  test.each(Object.entries(attacks))('%s', async (_, { reaches, prepare = () => [], undo = () => [], sends }) => {
    for (const command of prepare()) expect([command, inside('sh', '-c', command).ok]).toEqual([command, true]);
    const attack = () => send(...sends());
    await attack();
    expect(await seen()).toEqual({ victim: 0, host: 0 });

    await output(
      'nft',
      'flush chain bridge kukeon space_frames; flush chain inet kukeon space_forward; flush chain inet kukeon space_input',
    );
    await attack();
    const got = await seen();
    expect(Object.keys(got).filter(who => got[who as keyof typeof got] > 0)).toEqual(expect.arrayContaining(reaches));
    for (const command of [...undo(), 'ip neigh flush nud permanent dev eth0']) inside('sh', '-c', command);
  });
});

test('nor does it answer in the name of another, where somebody outside waits for that', async () => {
  await output('ip', '-n', 'outside', 'route', 'replace', '10.89.0.0/20', 'via', UPLINK);
  await output(
    ...['ip', 'netns', 'exec', 'outside', 'nft'],
    `table inet watch {
      counter seen { }
      chain in { type filter hook prerouting priority -400; ip saddr ${victim.address} udp sport 9 counter name seen; }
    }`,
  );
  const answers = async () =>
    Number(/packets (\d+)/.exec(await output('ip', 'netns', 'exec', 'outside', 'nft', 'list', 'counters'))?.[1]);
  const asks = () => sending('outside', { to: victim.address, port: 9, from: OUTSIDE, fromPort: 5555 });
  const answer = { to: OUTSIDE, port: 5555, from: victim.address, fromPort: 9 };
  inside('sh', '-c', address(`${victim.address}/32`)[0]);
  await asks();
  await sending(victim.name, answer);
  expect(await answers()).toBe(1);
  await sending(attacker.name, answer);
  expect(await answers()).toBe(1);
  await output('nft', 'flush chain bridge kukeon space_frames; flush chain inet kukeon space_forward');
  await sending(attacker.name, answer);
  expect(await answers()).toBe(2);
  inside('sh', '-c', address(`${victim.address}/32`)[1]);
  await define();
});

describe('the host’s answers', () => {
  const arp = (to: string) => inside('busybox', 'arping', '-c1', '-w1', '-I', 'eth0', to).ok;
  const arpIgnore = (value: number) => writeFileSync(`/proc/sys/net/ipv4/conf/${of(0).bridge}/arp_ignore`, `${value}`);

  test('by ARP are for the space’s own gateway alone, also where the host would give others', async () => {
    arpIgnore(0);
    expect(arp(of(1).gateway)).toBe(false);
    arpIgnore(1);
    await output('nft', 'flush chain bridge kukeon space_frames');
    expect([arp(of(0).gateway), arp(of(1).gateway), arp(victim.address), arp(UPLINK)]).toEqual([
      true,
      false,
      false,
      false,
    ]);
    arpIgnore(0);
    expect(arp(of(1).gateway)).toBe(true);
    arpIgnore(1);
    await define();
  });

  test('by neighbour discovery too', () => {
    inside('sh', '-c', address('fd00:2::80/64')[0]);
    const known = (to: string) => {
      inside('busybox', 'ping6', '-c1', '-W1', to);
      return inside('ip', '-6', 'neigh', 'show', to).stdout.includes('lladdr');
    };
    expect([known(home.gateway6), known(other.gateway6), known(victim6)]).toEqual([true, false, false]);
    inside('sh', '-c', address('fd00:2::80/64')[1]);
  });

  test('the next attachment puts them right', async () => {
    arpIgnore(0);
    await output('nft', 'flush chain bridge kukeon space_frames');
    const one = await cell(backend, of(0), 'next');
    await output('nft', 'flush chain bridge kukeon space_frames');
    expect(arp(of(1).gateway)).toBe(false);
    await one.detach();
    await define();
  });
});

test('what is a cell’s own goes on: its gateway, the host’s other addresses, the outside', async () => {
  // Not before: what a server answers it sends again later on, when something else is counted.
  servers.push(await echo(victim.name), await echo('outside'));
  servers.push(await echo(undefined, [of(0).gateway, home.gateway6, UPLINK]));
  await expectWays({
    gateway: { from: attacker.name, to: of(0).gateway, gets: all(attacker.address) },
    'gateway, v6': { from: attacker.name, to: home.gateway6, gets: all('fd00:1::2') },
    'the host': { from: attacker.name, to: UPLINK, gets: all(attacker.address) },
    outside: { from: attacker.name, to: OUTSIDE, gets: all(UPLINK) },
    'the other': { from: attacker.name, to: victim.address, gets: NOTHING },
  });
});
