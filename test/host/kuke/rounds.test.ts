/** Cells that are created, stopped, started, killed and deleted 100 times over leave nothing; nor does their space. */
// containerd: once, since it takes more than a minute, and states.test.ts asks every version for the same once.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, readdirSync } from 'node:fs';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { links } from '../observe/network.ts';
import { cell, container } from './cells.ts';
import { apply, kuke, run } from './kuke.ts';
import { leaks, type ReadyHost, readyHost } from './ready-host.ts';

const ROUNDS = 25;
const CELLS = ['a', 'b', 'c', 'd'];
const LIMIT_MS = 280_000;

let host: ReadyHost;
let beforeSpace: Inventory;
beforeAll(async () => {
  host = await readyHost();
  // What containerd and the plugins keep once they were used is there before the rounds.
  await apply(cell('first'));
  await kuke('delete', 'cell', 'first', '--cascade');
  beforeSpace = await inventory();
  await kuke('create', 'space', 'busy');
  await kuke('create', 'stack', 'default', '--space', 'busy');
});
afterAll(() => host.containerd.stop());

test(
  `${ROUNDS} rounds of ${CELLS.length} cells`,
  async () => {
    const before = await inventory();
    const spec = { spaceId: 'busy' };
    const both = [container('main'), container('side')];
    const cells = CELLS.map((name, at) => cell(name, both.slice(at % 2), spec));
    for (let round = 1; round <= ROUNDS; round++) {
      expect(await apply(...cells)).toBe(CELLS.map(name => `cell main/busy/default/${name} created\n`).join(''));
      for (const verb of ['stop', 'start', 'kill']) await kuke(verb, 'cell', ...CELLS, '--space', 'busy');
      const { status, stderr } = await run(['delete', '-f', '-', '--cascade'], {
        stdin: cells.map(one => JSON.stringify(one)).join('\n---\n'),
      });
      expect({ status, stderr }).toMatchObject({ status: 0 });
      if (round === 1) expect(await leaks(before)).toEqual([]);
    }
    expect(await leaks(before)).toEqual([]);
  },
  LIMIT_MS,
);

test('a space that is deleted leaves neither bridge nor reservations', async () => {
  expect(readdirSync('/var/lib/cni/networks')).toContain('main-busy');
  expect((await links()).filter(({ linkinfo }) => linkinfo?.info_kind === 'bridge')).toHaveLength(2);
  await kuke('delete', 'space', 'busy', '--cascade');
  expect(readdirSync('/var/lib/cni/networks')).not.toContain('main-busy');
  expect(existsSync('/etc/cni/net.d/main-busy.conflist')).toBe(false);
  expect(difference(beforeSpace, await inventory())).toEqual([]);
});
