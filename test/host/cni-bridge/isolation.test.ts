/** What packets do between cells, spaces, the host and the outside, whatever the host's own firewall is set to. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import type { NetworkDefinition } from '../../../src/kernel/backends/index.ts';
import { context } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { addresses, ruleset } from '../observe/network.ts';
import { cleanHost, cniFolders, defined, INSTANCE, testBackend } from './backend.ts';
import { HOST_FIREWALLS, type HostFirewall } from './host-firewalls.ts';
import {
  all,
  cell,
  echo,
  expectWays,
  makeOutside,
  NOTHING,
  OUTSIDE,
  type Reached,
  type TestCell,
  UPLINK,
} from './packets.ts';

const { backend } = testBackend();
const servers: Disposable[] = [];
let before: Inventory;
let home: NetworkDefinition;
let other: NetworkDefinition;
let a1: TestCell;
let a2: TestCell;
let b1: TestCell;

beforeAll(async () => {
  await makeOutside();
  await output('ip', '-n', 'outside', 'route', 'add', '10.64.0.0/10', 'via', UPLINK);
  before = await inventory();
  home = await defined(backend, 'default');
  other = await defined(backend, 'other');
  a1 = await cell(backend, home, 'a1');
  a2 = await cell(backend, home, 'a2');
  b1 = await cell(backend, other, 'b1');
  const host = echo(undefined, [home.gateway, other.gateway]);
  const inside = [a1.name, a2.name, b1.name, 'outside'].map(name => echo(name));
  servers.push(...(await Promise.all([...inside, host])));
});
afterAll(async () => {
  for (const server of servers) server[Symbol.dispose]();
  await cleanHost();
});

/** Marked rules in chains of others, as `nft` lists them. */
async function forwardRules(): Promise<string[]> {
  return (await ruleset()).flatMap(({ rule }) =>
    rule?.comment === `kukeon ${INSTANCE}` || JSON.stringify(rule?.expr ?? '').includes(`kukeon ${INSTANCE}`)
      ? [`${rule?.family} ${rule?.table} ${rule?.chain}`]
      : [],
  );
}

const legacyRules = async () =>
  (await Promise.all(['iptables-legacy-save', 'ip6tables-legacy-save'].map(name => output(name))))
    .join('')
    .split('\n')
    .filter(line => line.includes(`kukeon ${INSTANCE}`));

const run = async (commands: string[][]) => {
  for (const [program = '', ...args] of commands) await output(program, ...args);
};
const enforced = async () =>
  (await backend.observe({ configPaths: [home.configPath] })).networks.map(network => network.enforced);

describe.each(Object.entries<HostFirewall>(HOST_FIREWALLS))('on a host with %s', (_, firewall) => {
  const { drops, on, off, marked, perBridge, legacy } = firewall;
  const flushes = JSON.stringify(on).includes('flush ruleset');
  const cut = (reached: Reached) => (drops ? NOTHING : reached);

  test.each([1, 0])('and bridge-nf-call-iptables=%d', async bridged => {
    for (const version of ['ip', 'ip6']) {
      writeFileSync(`/proc/sys/net/bridge/bridge-nf-call-${version}tables`, `${bridged}`);
    }
    await run(on);
    const out = { from: a1.name, to: OUTSIDE, gets: all(UPLINK) };
    const within = { from: a1.name, to: a2.address, gets: all(a1.address) };
    const apart = {
      'other space': { from: a1.name, to: b1.address, gets: NOTHING },
      'other space, back': { from: b1.name, to: a1.address, gets: NOTHING },
      "other's gateway": { from: a1.name, to: other.gateway, gets: NOTHING },
      "other's gateway, back": { from: b1.name, to: home.gateway, gets: NOTHING },
    };
    await expectWays({
      out: { ...out, gets: cut(out.gets) },
      within: { ...within, gets: drops && bridged === 1 ? NOTHING : within.gets },
      // A firewall that came after kuke takes away no isolation, unless it takes away all rules of everybody.
      ...(!flushes && apart),
    });
    expect(await enforced()).toEqual([!drops, !drops]);

    await backend.define(home, context());
    await backend.define(other, context());
    expect(await enforced()).toEqual([true, true]);
    const perChain = Map.groupBy(await forwardRules(), chain => chain);
    expect([...perChain.keys()].sort()).toEqual([...marked].sort());
    for (const rules of perChain.values()) expect(rules).toHaveLength(2 * perBridge);
    expect(await legacyRules()).toHaveLength(2 * legacy);

    await expectWays({
      out,
      within,
      ...apart,
      back: { from: a2.name, to: a1.address, gets: all(a2.address) },
      'own gateway': { from: a1.name, to: home.gateway, gets: all(a1.address) },
      'from the host': { from: undefined, to: a1.address, gets: all(home.gateway) },
      'from the host to the other': { from: undefined, to: b1.address, gets: all(other.gateway) },
      'from outside': { from: 'outside', to: a1.address, gets: cut(all(OUTSIDE)) },
    });

    // Once it drops no more, or is gone.
    await run(off.slice(0, 2));
    await backend.define(home, context());
    expect([await forwardRules(), await legacyRules()]).toEqual([[], []]);
    await run(off.slice(2));
  });
});

test('IPv6: link-local addresses reach within a space alone', async () => {
  const linkLocal = async (one: TestCell) =>
    (await addresses(one.name)).find(({ ifname, scope }) => ifname === 'eth0' && scope === 'link')?.local;
  const ping = async (from: TestCell, to: string | undefined) =>
    Bun.spawnSync(['ip', 'netns', 'exec', from.name, 'busybox', 'ping6', '-c1', '-W1', `${to}%eth0`]).exitCode;
  expect(await ping(a1, await linkLocal(a2))).toBe(0);
  expect(await ping(a1, await linkLocal(b1))).not.toBe(0);
});

test('without the rules, spaces do reach each other', async () => {
  const ways = (gets: { space: Reached; gateway: Reached }) => ({
    space: { from: a1.name, to: b1.address, gets: gets.space },
    gateway: { from: a1.name, to: other.gateway, gets: gets.gateway },
  });
  await output(
    'nft',
    'flush chain bridge kukeon space_frames; flush chain inet kukeon space_forward; flush chain inet kukeon space_input',
  );
  await expectWays(ways({ space: all(other.gateway), gateway: all(a1.address) }));
  await backend.define(home, context());
  await backend.define(other, context());
  await expectWays(ways({ space: NOTHING, gateway: NOTHING }));
});

test('all of it goes', async () => {
  for (const server of servers.splice(0)) server[Symbol.dispose]();
  for (const one of [a1, a2, b1]) await one.detach();
  for (const network of [home, other]) await backend.remove(network, context());
  expect(difference(before, await inventory(), [cniFolders])).toEqual([]);
});
