/** What others did to the rules of a space is noticed, and put right by a difference: the rest of the table is not touched. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import type { NetworkDefinition } from '../../../src/kernel/backends/index.ts';
import { context } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { links } from '../observe/network.ts';
import { CONFIG_PATH, cleanHost, defined, testBackend } from './backend.ts';
import { all, cell, echo, expectWays, NOTHING } from './packets.ts';

const { backend } = testBackend();
let home: NetworkDefinition;
let other: NetworkDefinition;
const enforced = async () =>
  (await backend.observe({ configPaths: [CONFIG_PATH] })).networks.map(network => network.enforced);
const define = async () => {
  for (const network of [home, other]) await backend.define(network, context());
};
const table = (...options: string[]) => output('nft', ...options, 'list', 'table', 'inet', 'kukeon');

beforeAll(async () => {
  home = await defined(backend, 'default');
  other = await defined(backend, 'other');
});
beforeEach(define);
afterAll(cleanHost);

test('identical and ours is left alone: not even a handle changes', async () => {
  const before = await table('--handle');
  await define();
  expect(await table('--handle')).toBe(before);
});

test.each([
  ['the whole ruleset is flushed', ['flush ruleset'], [false, false]],
  ['the table is deleted', ['delete table inet kukeon'], [false, false]],
  ['the chains are emptied', ['flush table inet kukeon'], [false, false]],
  ['a bridge is taken out', ['delete element inet kukeon space_bridges { "BRIDGE" }'], [false, false]],
  ['a rule of theirs is in our chain', ['insert rule inet kukeon space_forward accept'], [false, false]],
  ['a pair is let through', ['add element inet kukeon space_pairs { "BRIDGE" . "kuke-main-other" }'], [false, false]],
  ['a range is let in', ['add element inet kukeon space_ranges { "BRIDGE" . 10.70.0.0/16 }'], [false, false]],
  ['a range is masqueraded no more', ['delete element inet kukeon space_masqueraded { SUBNET }'], [false, true]],
  ['the table is put to sleep', ['add table inet kukeon { flags dormant; }'], [false, false]],
  [
    'the table is put to sleep without its chains',
    ['delete table inet kukeon', 'add table inet kukeon { flags dormant; }'],
    [false, false],
  ],
  ['the order of the rules is another', ['add rule inet kukeon space_input drop'], [false, false]],
])('%s', async (_, commands, expected) => {
  const before = await table();
  for (const command of commands) {
    await output('nft', ...command.replaceAll('BRIDGE', home.bridge).replaceAll('SUBNET', home.subnet).split(' '));
  }
  expect(await enforced()).toEqual(expected);
  await define();
  expect(await enforced()).toEqual([true, true]);
  expect((await table()).split('\n').sort()).toEqual(before.split('\n').sort());
});

test('an attachment does not wait for the next apply', async () => {
  const a = await cell(backend, home, 'a');
  await output('nft', 'flush', 'ruleset');
  const b = await cell(backend, other, 'b');
  expect(await enforced()).toEqual([true, true]);
  await expectWays({ there: { from: a.name, to: b.address, gets: NOTHING } });
  for (const one of [a, b]) await one.detach();
});

test('a table that sleeps keeps nobody apart; it is woken before the next cell is there', async () => {
  const a = await cell(backend, home, 'a');
  const b = await cell(backend, other, 'b');
  using _ = await echo(b.name);
  const there = { from: a.name, to: b.address };
  for (const family of ['inet', 'bridge']) await output('nft', 'add', 'table', family, 'kukeon', '{ flags dormant; }');
  await expectWays({ asleep: { ...there, gets: all(a.address) } });
  const c = await cell(backend, other, 'c');
  await expectWays({ awake: { ...there, gets: NOTHING } });
  for (const one of [a, b, c]) await one.detach();
});

test('a port that is in no group, or in another, is seen and put back into that of its bridge; one that is about to go is left', async () => {
  const a = await cell(backend, home, 'a');
  const [port = ''] = (await links()).flatMap(({ ifname, master }) => (master === home.bridge ? [ifname] : []));
  const groupOf = async (name: string) => (await links()).find(({ ifname }) => ifname === name)?.group;
  const own = await groupOf(home.bridge);
  expect([own, await groupOf(port)]).toEqual([expect.stringMatching(/^\d{9}$/), own]);
  for (const group of ['0', '5']) {
    await output('ip', 'link', 'set', port, 'group', group);
    expect(await enforced()).toEqual([false, true]);
    await define();
    expect([await enforced(), await groupOf(port)]).toEqual([[true, true], own]);
  }
  await output('ip', 'link', 'set', port, 'group', '536870999');
  await define();
  expect([await enforced(), await groupOf(port)]).toEqual([[true, true], '536870999']);
  await a.detach();
});

describe('the rules in FORWARD', () => {
  test('are put back when they are gone, in front of what others have put there', async () => {
    await output('iptables', '-P', 'FORWARD', 'DROP');
    expect(await enforced()).toEqual([false, false]);
    await define();
    await output('iptables', '-F', 'FORWARD');
    await output('iptables', '-A', 'FORWARD', '-j', 'REJECT');
    expect(await enforced()).toEqual([false, false]);
    await define();
    expect(await enforced()).toEqual([true, true]);
    const rules = (await output('iptables', '-S', 'FORWARD')).trim().split('\n');
    expect(rules).toHaveLength(6);
    expect(rules.at(-1)).toBe('-A FORWARD -j REJECT --reject-with icmp-port-unreachable');
    expect(rules.filter(rule => rule.includes(`-i ${home.bridge} `) || rule.includes(`-o ${home.bridge} `))).toEqual([
      expect.stringMatching(/-m conntrack --ctstate RELATED,ESTABLISHED,DNAT .*-j ACCEPT$/),
      expect.stringMatching(/-j ACCEPT$/),
    ]);
  });

  test('survive that iptables-restore writes them anew, and go with their space', async () => {
    const saved = await output('iptables-save');
    writeFileSync('/tmp/saved', saved);
    await output('sh', '-c', 'iptables-restore < /tmp/saved');
    expect(await enforced()).toEqual([true, true]);
    await backend.remove(other, context());
    const rules = await output('iptables', '-S', 'FORWARD');
    expect(rules).toContain(home.bridge);
    expect(rules).not.toContain(other.bridge);
    await backend.remove(home, context());
    expect((await output('iptables', '-S', 'FORWARD')).trim().split('\n')).toHaveLength(2);
  });
});
