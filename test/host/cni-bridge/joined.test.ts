/** A cell that has joined a second space reaches both, and does not route between them. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import type { NetworkDefinition } from '../../../src/kernel/backends/index.ts';
import { context } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { routes } from '../observe/network.ts';
import { cleanHost, defined, testBackend } from './backend.ts';
import { all, cell, echo, expectWays, makeOutside, NOTHING, OUTSIDE, type TestCell, UPLINK } from './packets.ts';

const { backend } = testBackend();
const servers: Disposable[] = [];
let home: NetworkDefinition;
let other: NetworkDefinition;
let a: TestCell;
let b: TestCell;
let joined: TestCell;
let second: string;

beforeAll(async () => {
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1'); // what a new namespace inherits
  writeFileSync('/proc/sys/net/bridge/bridge-nf-call-iptables', '0'); // else what passes through is masqueraded, and lost by that
  home = await defined(backend, 'default');
  other = await defined(backend, 'other');
  a = await cell(backend, home, 'a');
  b = await cell(backend, other, 'b');
  joined = await cell(backend, home, 'joined');
  const { name, configPath } = other;
  const request = { name, configPath, netns: joined.netns, interface: 'eth1', attachmentId: 'joined-second' };
  second = (await backend.attach(request, context())).addresses[0]?.split('/')[0] ?? '';
  servers.push(...(await Promise.all([a.name, b.name].map(name => echo(name)))));
  servers.push(await echo(joined.name, [joined.address, second]));
});
afterAll(async () => {
  for (const server of servers) server[Symbol.dispose]();
  await cleanHost();
});

test('it reaches both spaces, and the first gives it its default route', async () => {
  await expectWays({
    first: { from: joined.name, to: a.address, gets: all(joined.address) },
    second: { from: joined.name, to: b.address, gets: all(second) },
    back: { from: b.name, to: second, gets: all(b.address) },
  });
  expect((await routes(joined.name)).filter(({ dst }) => dst === 'default')).toMatchObject([
    { gateway: home.gateway, dev: 'eth0' },
  ]);
});

test('by its default route it speaks under its first address alone, as if it were two cells', async () => {
  await makeOutside();
  await output('ip', '-n', 'outside', 'route', 'add', '10.64.0.0/10', 'via', UPLINK);
  servers.push(await echo('outside'));
  await expectWays({
    'first address': { from: 'outside', to: joined.address, gets: all(OUTSIDE) },
    'second address, whose answer would go by the first space': { from: 'outside', to: second, gets: NOTHING },
    'out by itself': { from: joined.name, to: OUTSIDE, gets: all(UPLINK) },
  });
});

test('nothing passes through it, also if both sides know the way', async () => {
  await output('ip', '-n', a.name, 'route', 'add', `${b.address}/32`, 'via', joined.address);
  await output('ip', '-n', b.name, 'route', 'add', `${a.address}/32`, 'via', second);
  const inside = (name: string) => output('ip', 'netns', 'exec', joined.name, 'cat', `/proc/sys/net/${name}`);
  expect(await inside('ipv4/conf/all/forwarding')).toBe('0\n');
  expect(await inside('ipv4/conf/eth1/forwarding')).toBe('0\n');
  expect(await inside('ipv6/conf/all/forwarding')).toBe('0\n');
  expect(readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8')).toBe('1\n');
  await expectWays({ through: { from: a.name, to: b.address, gets: NOTHING } });
  await output('ip', 'netns', 'exec', joined.name, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
  await expectWays({ 'also if it routes': { from: a.name, to: b.address, gets: NOTHING } });
  await output('nft', 'flush chain bridge kukeon space_frames');
  await expectWays({ 'were it not for both': { from: a.name, to: b.address, gets: all(a.address) } });
});
