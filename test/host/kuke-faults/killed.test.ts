/** kuke is killed (-9) at every moment before and after a step of apply and delete of a cell: the next one converges, and leaves nothing. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { Containerd } from '../containerd.ts';
import { cell, container, stateOf } from '../kuke/cells.ts';
import { footprint } from '../kuke/footprint.ts';
import { kuke, run } from '../kuke/kuke.ts';
import { difference, type Inventory } from '../observe/inventory.ts';
import { at, comparable, installKiller } from './killer.ts';
import { warmHost } from './warm-host.ts';

const APPLY = ['apply', '-f', '-'];
const DELETE = ['delete', 'cell', 'web', '--cascade', '--force', '--ignore-not-found'];
const stdin = JSON.stringify(cell('web', [container('main'), container('side')]));

let containerd: Containerd;
/** Without the cell, and with it. */
let without: Inventory;
let withIt: Inventory;
beforeAll(async () => {
  containerd = await warmHost();
  installKiller();
  without = await footprint();
  expect(await run(APPLY, { stdin })).toMatchObject({ status: 0 });
  withIt = await comparable();
  await kuke(...DELETE);
  expect(difference(without, await footprint())).toEqual([]);
});
afterAll(() => containerd.stop());

test('apply and delete', async () => {
  const covered = { apply: 0, delete: 0 };
  for (let moment = 1; ; moment++) {
    const killedApply = await run(APPLY, { stdin, env: at(moment) });
    if (killedApply.status === null) covered.apply++;
    expect({ moment, ...(await run(APPLY, { stdin })) }).toMatchObject({ moment, status: 0 });
    expect({ moment, state: await stateOf('web') }).toEqual({ moment, state: 'Ready' });
    expect({ moment, different: difference(withIt, await comparable()) }).toEqual({ moment, different: [] });

    const killedDelete = await run(DELETE, { env: at(moment) });
    if (killedDelete.status === null) covered.delete++;
    expect({ moment, ...(await run(DELETE)) }).toMatchObject({ moment, status: 0 });
    expect({ moment, left: difference(without, await footprint()) }).toEqual({ moment, left: [] });
    if (killedApply.status !== null && killedDelete.status !== null) break;
  }
  console.log(`killed at ${covered.apply} moments of apply and ${covered.delete} of delete`);
  // A moment before and one after each of their steps.
  expect(covered.apply).toBeGreaterThanOrEqual(22);
  expect(covered.delete).toBeGreaterThanOrEqual(18);
});
