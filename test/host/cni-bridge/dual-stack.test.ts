/** Conflists to which a person has added an IPv6 range: kuke goes by them, and keeps spaces apart there as well. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import type { NetworkDefinition } from '../../../src/kernel/backends/index.ts';
import { context } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { CONFIG_PATH, cleanHost, cniFolders, defined, testBackend } from './backend.ts';
import {
  all,
  cell,
  echo,
  expectWays,
  makeOutside,
  NOTHING,
  OUTSIDE,
  OUTSIDE6,
  type Reached,
  type TestCell,
  UPLINK,
  UPLINK6,
} from './packets.ts';

const { backend, host } = testBackend();
let before: Inventory;
const networks: NetworkDefinition[] = [];
const cells: TestCell[] = [];
const servers: Disposable[] = [];

function addRange(network: NetworkDefinition, subnet: string): void {
  const path = `${CONFIG_PATH}/${network.name}.conflist`;
  const conflist = JSON.parse(readFileSync(path, 'utf8')) as {
    plugins: { ipam?: { ranges: unknown[]; routes: unknown[] } }[];
  };
  for (const { ipam } of conflist.plugins) {
    ipam?.ranges.push([{ subnet }]);
    ipam?.routes.push({ dst: '::/0' });
  }
  writeFileSync(path, JSON.stringify(conflist));
}

beforeAll(async () => {
  await output('ip', 'netns', 'add', 'warm-up');
  await output('ip', 'netns', 'delete', 'warm-up');
  writeFileSync('/proc/sys/net/ipv6/conf/default/accept_dad', '0'); // a bridge's address is usable at once
  for (const name of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding']) writeFileSync(`/proc/sys/net/${name}`, '0');
  before = await inventory();
  for (const [index, space] of ['default', 'other'].entries()) {
    const network = await defined(backend, space);
    addRange(network, `fd00:${index + 1}::/64`);
    networks.push(network);
  }
});
afterAll(async () => {
  for (const server of servers) server[Symbol.dispose]();
  await cleanHost();
});

const enforced = async () =>
  (await backend.observe({ configPaths: [CONFIG_PATH] })).networks.map(network => network.enforced);
const v6 = ({ attachment }: TestCell) =>
  attachment.addresses.find(address => address.includes(':'))?.split('/')[0] ?? '';

test('the added gateways are seen to be missing in the rules, and are added', async () => {
  expect(await enforced()).toEqual([false, false]);
  for (const network of networks) await backend.define(network, context());
  expect(await enforced()).toEqual([true, true]);
});

test('IPv4 and IPv6 reach within a space, and neither reaches the other space or its gateway', async () => {
  const [home, other] = networks;
  if (home === undefined || other === undefined) throw new Error('no networks');
  const [a1, a2, b1] = [
    await cell(backend, home, 'a1'),
    await cell(backend, home, 'a2'),
    await cell(backend, other, 'b1'),
  ];
  cells.push(a1, a2, b1);
  expect(a1.attachment.addresses).toEqual(['10.88.0.2/16', 'fd00:1::2/64']);
  servers.push(...(await Promise.all([a2.name, b1.name].map(name => echo(name)))));
  servers.push(await echo(undefined, [home.gateway, other.gateway, 'fd00:1::1', 'fd00:2::1']));
  await expectWays({
    v4: { from: a1.name, to: a2.address, gets: all(a1.address) },
    v6: { from: a1.name, to: v6(a2), gets: all(v6(a1)) },
    'own gateway': { from: a1.name, to: 'fd00:1::1', gets: all(v6(a1)) },
    'other space, v4': { from: a1.name, to: b1.address, gets: NOTHING },
    'other space, v6': { from: a1.name, to: v6(b1), gets: NOTHING },
    "other's gateway": { from: a1.name, to: 'fd00:2::1', gets: NOTHING },
    "other's gateway, back": { from: b1.name, to: 'fd00:1::1', gets: NOTHING },
  });
  await output(
    'nft',
    'flush chain bridge kukeon space_frames; flush chain inet kukeon space_forward; flush chain inet kukeon space_input',
  );
  await expectWays({
    'other space, without rules': { from: a1.name, to: v6(b1), gets: all('fd00:2::1') },
    "other's gateway, without rules": { from: a1.name, to: 'fd00:2::1', gets: all(v6(a1)) },
  });
});

test('both get out under an address of the host, also when somebody has flushed the rules of the reference plugin', async () => {
  const [a1] = cells;
  await makeOutside();
  servers.push(await echo('outside'));
  await output('nft', 'flush', 'ruleset');
  const ways = (v4: Reached, v6: Reached) => ({
    v4: { from: a1?.name, to: OUTSIDE, gets: v4 },
    v6: { from: a1?.name, to: OUTSIDE6, gets: v6 },
  });
  await expectWays(ways(NOTHING, NOTHING));
  for (const network of networks) await backend.define(network, context());
  await expectWays(ways(all(UPLINK), all(UPLINK6)));
  await output('ip', 'netns', 'delete', 'outside');
});

test('all of it goes; both kinds of forwarding are remembered', async () => {
  expect((await host.state.read()).sysctl).toEqual({ 'net.ipv4.ip_forward': '0', 'net.ipv6.conf.all.forwarding': '0' });
  for (const server of servers.splice(0)) server[Symbol.dispose]();
  for (const one of cells) await one.detach();
  for (const network of networks) await backend.remove(network, context());
  expect(difference(before, await inventory(), [cniFolders])).toEqual([]);
});
