// containerd: once, since who reaches whom is kuke's; containerd-shim/runtime-spec.test.ts joins namespaces on each version.
/**
 * Who reaches whom, each with each: three spaces of two cells, a cell in two spaces, a cell on the host's network, the host and a host
 * beyond it; TCP, UDP and ICMP, IPv4 and IPv6; and by way of the cell in two spaces.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readlinkSync } from 'node:fs';
import {
  all,
  echo,
  expectWays,
  makeOutside,
  NOTHING,
  OUTSIDE,
  OUTSIDE6,
  UPLINK,
  UPLINK6,
  type Way,
} from '../cni-bridge/packets.ts';
import { output } from '../observe/command.ts';
import type { Inventory } from '../observe/inventory.ts';
import { cell, container, getCell, manifest, pidsOf } from './cells.ts';
import { apply, get, kuke } from './kuke.ts';
import { leaks, type ReadyHost, readyHost } from './ready-host.ts';

const SPACES = ['red', 'green', 'blue'] as const;
type Space = (typeof SPACES)[number];
const FAMILIES = ['v4', 'v6'] as const;
type Addresses = Record<(typeof FAMILIES)[number], string>;

interface Member {
  netns: string;
  /** By space. */
  at: Partial<Record<Space, Addresses>>;
}

const members = new Map<string, Member>();
const gateways = {} as Record<Space, Addresses>;
const servers: Disposable[] = [];
let host: ReadyHost;
let before: Inventory;

const names = (space: Space) => [`${space}-a`, `${space}-b`];
const plain = (address = '') => address.split('/')[0] ?? '';
const byFamily = (list: string[]): Addresses => ({
  v4: plain(list.find(one => !one.includes(':'))),
  v6: plain(list.find(one => one.includes(':'))),
});

async function member(name: string, space: Space): Promise<Member> {
  const { status } = await getCell(name, '--space', space);
  const [pid = 0] = Object.values(await pidsOf(name, '--space', space));
  const at = status.attachments.map(({ network, addresses }) => [network.replace('main-', ''), byFamily(addresses)]);
  return { netns: (await output('ip', 'netns', 'identify', `${pid}`)).trim(), at: Object.fromEntries(at) };
}

beforeAll(async () => {
  await makeOutside();
  host = await readyHost();
  ({ before } = host);
  const spaces = SPACES.map(name => manifest('Space', name, { network: { ipv6: true } }));
  const stacks = SPACES.map(name => manifest('Stack', 'default', { spaceId: name }));
  await apply(
    ...spaces,
    ...stacks,
    ...SPACES.flatMap(space => names(space).map(name => cell(name, [container('main')], { spaceId: space }))),
    cell('joined', [container('main', { networks: ['green'] })], { spaceId: 'red' }),
    cell('hosted', [container('main', { hostNetwork: true, root: true })], { spaceId: 'red' }),
  );
  for (const space of SPACES) {
    const { network } = (await get<{ status: { network: Record<string, string> } }>('space', space)).status;
    gateways[space] = { v4: network.gateway ?? '', v6: network.gateway6 ?? '' };
    for (const name of names(space)) members.set(name, await member(name, space));
  }
  members.set('joined', await member('joined', 'red'));
  const inside = [...members.values()].map(({ netns }) => echo(netns));
  const own = SPACES.flatMap(space => Object.values(gateways[space]));
  servers.push(...(await Promise.all([...inside, echo('outside'), echo(undefined, own)])));
});
afterAll(async () => {
  for (const server of servers) server[Symbol.dispose]();
  await host.containerd.stop();
});

/** Ways a few at a time: a machine that is busy with hundreds of them answers none in time. */
async function tryAll(ways: Record<string, Way>): Promise<void> {
  const list = Object.entries(ways);
  for (let at = 0; at < list.length; at += 24) await expectWays(Object.fromEntries(list.slice(at, at + 24)));
}

/** From cells to all addresses of cells: open within a space, shut between two. */
function betweenCells(): Record<string, Way> {
  const ways: Record<string, Way> = {};
  for (const [from, source] of members) {
    for (const [to, target] of members) {
      if (from === to) continue;
      for (const space of SPACES) {
        for (const family of FAMILIES) {
          const address = target.at[space]?.[family];
          if (address === undefined) continue;
          const own = source.at[space]?.[family];
          ways[`${from} to ${to} in ${space}, ${family}`] = {
            from: source.netns,
            to: address,
            gets: own === undefined ? NOTHING : all(own),
          };
        }
      }
    }
  }
  return ways;
}

function toAndFromTheHost(): Record<string, Way> {
  const ways: Record<string, Way> = {};
  for (const [name, { netns, at }] of members) {
    for (const family of FAMILIES) {
      for (const space of SPACES) {
        const [own, gateway] = [at[space]?.[family], gateways[space][family]];
        const gets = own === undefined ? NOTHING : all(own);
        ways[`${name} to the gateway of ${space}, ${family}`] = { from: netns, to: gateway, gets };
        if (own === undefined) continue;
        ways[`the host to ${name} in ${space}, ${family}`] = { from: undefined, to: own, gets: all(gateway) };
        ways[`outside to ${name} in ${space}, ${family}`] = { from: 'outside', to: own, gets: NOTHING };
      }
      const [to, seen] = family === 'v4' ? [OUTSIDE, UPLINK] : [OUTSIDE6, UPLINK6];
      ways[`${name} to the outside, ${family}`] = { from: netns, to, gets: all(seen) };
    }
  }
  return ways;
}

test('each space has a range of each family, each cell an address of each', () => {
  for (const { at } of members.values()) {
    for (const addresses of Object.values(at)) {
      expect(addresses).toEqual({ v4: expect.stringMatching(/^10\./), v6: expect.stringMatching(/^fd/) });
    }
  }
  expect(Object.keys(members.get('joined')?.at ?? {})).toEqual(['red', 'green']);
});

test('cells reach those of their spaces, under their own address, and no other', () => tryAll(betweenCells()));

test('cells reach their own gateway and the outside; the host reaches them all', () => tryAll(toAndFromTheHost()));

test('a cell on the host’s network is where the host is', async () => {
  const [pid] = Object.values(await pidsOf('hosted', '--space', 'red'));
  expect(readlinkSync(`/proc/${pid}/ns/net`)).toBe(readlinkSync('/proc/self/ns/net'));
  expect((await getCell('hosted', '--space', 'red')).status.attachments).toEqual([]);
});

test('by way of the cell in two spaces nothing passes', async () => {
  const joined = members.get('joined') as Member;
  const [red, green] = [members.get('red-a') as Member, members.get('green-a') as Member];
  const ways: Record<string, Way> = {};
  for (const family of FAMILIES) {
    const length = family === 'v4' ? 32 : 128;
    for (const [from, to, space, other] of [
      [red, green, 'red', 'green'] as const,
      [green, red, 'green', 'red'] as const,
    ]) {
      const target = to.at[other]?.[family] ?? '';
      const via = joined.at[space]?.[family] ?? '';
      await output('ip', '-n', from.netns, 'route', 'add', `${target}/${length}`, 'via', via);
      ways[`${space} to ${other}, ${family}`] = { from: from.netns, to: target, gets: NOTHING };
    }
  }
  await tryAll(ways);
  for (const name of ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding']) {
    expect((await output('ip', 'netns', 'exec', joined.netns, 'cat', `/proc/sys/${name}`)).trim()).toBe('0');
  }
});

test('nothing is left of all that', async () => {
  for (const server of servers.splice(0)) server[Symbol.dispose]();
  for (const space of SPACES) {
    for (const name of space === 'red' ? ['joined', 'hosted', ...names(space)] : names(space)) {
      await kuke('delete', 'cell', name, '--space', space, '--cascade');
    }
  }
  for (const space of SPACES) await kuke('delete', 'space', space, '--cascade');
  expect(await leaks(before)).toEqual([]);
});
