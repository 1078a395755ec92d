/** What leaves a space for the outside does so under an address of the host, whoever has flushed which rules. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import type { NetworkDefinition } from '../../../src/kernel/backends/index.ts';
import { context } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { CONFIG_PATH, cleanHost, defined, testBackend } from './backend.ts';
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
let home: NetworkDefinition;
const spaces: NetworkDefinition[] = [];
let neighbour: TestCell;
let running: TestCell;

const enforced = async () => (await backend.observe({ configPaths: [CONFIG_PATH] })).networks.map(one => one.enforced);
const getsOut = (gets: Reached) => expectWays({ out: { from: running.name, to: OUTSIDE, gets } });

beforeAll(async () => {
  await makeOutside();
  home = await defined(backend, 'default');
  spaces.push(home);
  // Ranges side by side: where the one ends in the kernel's set, the other begins.
  for (const space of ['two', 'three']) spaces.push(await defined(backend, space));
  running = await cell(backend, home, 'running');
  neighbour = await cell(backend, home, 'neighbour');
  servers.push(await echo('outside'), await echo(neighbour.name), await echo(undefined, [home.gateway]));
});
afterAll(async () => {
  for (const server of servers) server[Symbol.dispose]();
  await output('ip', 'netns', 'delete', 'outside');
  await cleanHost();
});

test.each([
  ['the whole ruleset', ['nft', 'flush', 'ruleset'], NOTHING, [false, false, false]],
  ["iptables' nat table", ['iptables', '-t', 'nat', '-F'], all(UPLINK), [true, true, true]],
])('a running cell gets out again after %s was flushed', async (_, flush, meanwhile, isEnforced) => {
  await getsOut(all(UPLINK));
  await output(...(flush as [string, ...string[]]));
  expect(await enforced()).toEqual(isEnforced);
  await getsOut(meanwhile);
  for (const space of spaces) await backend.define(space, context());
  await getsOut(all(UPLINK));
});

test('within the space, and on its gateway, nobody is masqueraded', async () => {
  await expectWays({
    neighbour: { from: running.name, to: neighbour.address, gets: all(running.address) },
    gateway: { from: running.name, to: home.gateway, gets: all(running.address) },
    'the host, to a cell': { from: undefined, to: neighbour.address, gets: all(home.gateway) },
    'the host, to itself': { from: undefined, to: home.gateway, gets: all(home.gateway) },
  });
});

test('a conflist that does not want it (`ipMasq`) is heeded for cells that come after', async () => {
  const path = `${CONFIG_PATH}/${home.name}.conflist`;
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace('"ipMasq": true', '"ipMasq": false'));
  expect(await enforced()).toContain(false);
  await backend.define(home, context());
  const late = await cell(backend, home, 'late');
  await expectWays({ out: { from: late.name, to: OUTSIDE, gets: NOTHING } });
  await getsOut(all(UPLINK));
  writeFileSync(path, text);
  await backend.define(home, context());
  await expectWays({ out: { from: late.name, to: OUTSIDE, gets: all(UPLINK) } });
});
