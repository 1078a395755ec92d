/**
 * A cell that is in two spaces, used by a third as a mirror: asked under an address of the other space it would answer there, and asked for
 * its address there it would give it. No packet of that passes the host, where bridges do not call iptables. Counted is what arrives.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NetworkDefinition } from '../../../src/kernel/backends/index.ts';
import { context } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { CONFIG_PATH, cleanHost, testBackend } from './backend.ts';
import { cell, echo, type TestCell } from './packets.ts';
import type { Sending } from './send.ts';

const { backend } = testBackend();
const networks: NetworkDefinition[] = [];
let server: Disposable;
let attacker: TestCell;
let joined: TestCell;
let victim: TestCell;
/** IPv4 and IPv6 of each. */
let addresses: Record<'attacker' | 'first' | 'second' | 'victim', [string, string]>;

const bare = (list: readonly string[]): [string, string] => {
  const [v4 = '', v6 = ''] = list.map(one => one.replace(/\/.*/, ''));
  return [v4, v6];
};
const define = async () => {
  for (const network of networks) await backend.define(network, context());
};
const inside = (name: string, ...command: string[]) => output('ip', 'netns', 'exec', name, ...command);
const rpFilter = (value: number) =>
  inside(
    joined.name,
    'sysctl',
    '-qw',
    ...['all', 'eth0', 'eth1'].map(one => `net.ipv4.conf.${one}.rp_filter=${value}`),
  );
const withoutRules = () => output('nft', 'flush chain bridge kukeon space_frames');

beforeAll(async () => {
  writeFileSync('/proc/sys/net/ipv6/conf/default/accept_dad', '0');
  writeFileSync('/proc/sys/net/ipv4/conf/default/rp_filter', '0'); // what a new namespace inherits
  for (const version of ['ip', 'ip6']) writeFileSync(`/proc/sys/net/bridge/bridge-nf-call-${version}tables`, '0');
  for (const [index, space] of ['default', 'other'].entries()) {
    const subnets = [`fd00:${index + 1}::/64`];
    const { notes: _, ...network } = await backend.choose({ realm: 'main', space, configPath: CONFIG_PATH, subnets });
    networks.push(network);
  }
  await define();
  const [home, other] = networks as [NetworkDefinition, NetworkDefinition];
  attacker = await cell(backend, home, 'attacker');
  joined = await cell(backend, home, 'joined');
  victim = await cell(backend, other, 'victim');
  const { name, configPath } = other;
  const request = { name, configPath, netns: joined.netns, interface: 'eth1', attachmentId: 'joined-second' };
  const second = await backend.attach(request, context());
  addresses = {
    attacker: bare(attacker.attachment.addresses),
    first: bare(joined.attachment.addresses),
    second: bare(second.addresses),
    victim: bare(victim.attachment.addresses),
  };
  server = await echo(joined.name);
  const [link] = JSON.parse(await inside(joined.name, 'ip', '-j', 'link', 'show', 'eth0')) as [{ address: string }];
  // It knows the joined cell's MAC address, and a way to its other address; and the victim's addresses are on it too.
  for (const one of addresses.second) {
    const length = one.includes(':') ? 128 : 32;
    await inside(attacker.name, 'ip', 'route', 'add', `${one}/${length}`, 'dev', 'eth0');
  }
  for (const one of [...addresses.first, ...addresses.second]) {
    await inside(attacker.name, 'ip', 'neigh', 'replace', one, 'lladdr', link.address, 'dev', 'eth0');
  }
  for (const [index, one] of addresses.victim.entries()) {
    await inside(attacker.name, 'ip', 'addr', 'add', `${one}/${index === 0 ? 32 : 128}`, 'dev', 'eth0', 'nodad');
  }
});
afterAll(async () => {
  server[Symbol.dispose]();
  await cleanHost();
});
beforeEach(async () => {
  const watch = (hook: string, what: string) =>
    `table inet watch { counter seen { }; chain in { type filter hook ${hook}; ${what} counter name seen; }; }`;
  await inside(joined.name, 'nft', watch('input priority 0', 'iifname "eth0" udp dport 7'));
  await inside(victim.name, 'nft', watch('prerouting priority -400', 'iifname "eth0" udp sport 7'));
});
afterEach(async () => {
  for (const { name } of [joined, victim]) await inside(name, 'nft', 'delete', 'table', 'inet', 'watch');
  await rpFilter(1);
  await define();
});

const seen = async ({ name }: TestCell) =>
  Number(/packets (\d+)/.exec(await inside(name, 'nft', 'list', 'counters'))?.[1]);
const send = (...list: Omit<Sending, 'port'>[]) => {
  const sendings = list.map(one => ({ ...one, port: 7, fromPort: 9 }));
  const program = [process.execPath, join(import.meta.dir, 'send.ts'), JSON.stringify(sendings)];
  return inside(attacker.name, ...program);
};

describe.each([
  ['IPv4', 0],
  ['IPv6', 1],
] as const)('over %s', (_, family) => {
  const of = (who: keyof typeof addresses) => addresses[who][family];

  test('what is sent under an address of the other space is answered there by nobody', async () => {
    const attack = () => send({ to: of('first'), from: of('victim') });
    await rpFilter(0);
    await attack();
    expect([await seen(joined), await seen(victim)]).toEqual([0, 0]);
    await withoutRules();
    await attack();
    expect([await seen(joined), await seen(victim)]).toEqual([1, 1]);
  });

  test('its address in the other space is reached there alone', async () => {
    const attack = () => send({ to: of('second'), from: of('attacker') });
    await attack();
    expect(await seen(joined)).toBe(0);
    await withoutRules();
    await attack();
    expect(await seen(joined)).toBe(1);
  });

  test('its address in its own space is reached', async () => {
    await send({ to: of('first'), from: of('attacker') });
    expect(await seen(joined)).toBe(1);
  });
});

test('without the rules the joined cell itself still refuses such a source, and answers ARP for no address of its other space', async () => {
  const arp = () =>
    Bun.spawnSync([
      ...['ip', 'netns', 'exec', attacker.name, 'busybox', 'arping', '-c1', '-w1', '-I', 'eth0'],
      ...['-s', addresses.attacker[0], addresses.second[0]],
    ]).exitCode === 0;
  const arpIgnore = (value: number) => inside(joined.name, 'sysctl', '-qw', `net.ipv4.conf.all.arp_ignore=${value}`);
  await withoutRules();
  await send({ to: addresses.first[0], from: addresses.victim[0] });
  expect([await seen(joined), arp()]).toEqual([0, false]);
  await arpIgnore(0);
  expect(arp()).toBe(true);
  await define();
  expect(arp()).toBe(false);
  await arpIgnore(1);
});
