// containerd: once, since all that it has in this is a namespace.
/** kuke is killed (-9) at every moment before and after a step of init and uninstall: the next one converges, and leaves nothing. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Containerd, startContainerd } from '../containerd.ts';
import { cell, loadImage } from '../kuke/cells.ts';
import { footprint } from '../kuke/footprint.ts';
import { apply, kuke, run } from '../kuke/kuke.ts';
import { difference, type Inventory } from '../observe/inventory.ts';
import { at, comparable, installKiller } from './killer.ts';

const INIT = ['init'];
const UNINSTALL = ['uninstall', '--yes'];

let containerd: Containerd;
/** Before the first init, and after it. */
let without: Inventory;
let withIt: Inventory;
beforeAll(async () => {
  containerd = await startContainerd();
  installKiller();
  // What iptables and containerd keep once a cell has been is there already.
  await kuke(...INIT);
  await loadImage();
  await apply(cell('warm'));
  await kuke(...UNINSTALL);
  without = await footprint();
  await kuke(...INIT);
  withIt = await comparable();
  await kuke(...UNINSTALL);
  expect(difference(without, await footprint())).toEqual([]);
});
afterAll(() => containerd.stop());

test('init and uninstall', async () => {
  const covered = { init: 0, uninstall: 0 };
  for (let moment = 1; ; moment++) {
    const killedInit = await run(INIT, { env: at(moment) });
    if (killedInit.status === null) covered.init++;
    // Each second time there is no next init: uninstall has to do with what is there.
    if (moment % 2 === 1) {
      expect({ moment, ...(await run(INIT)) }).toMatchObject({ moment, status: 0 });
      expect({ moment, different: difference(withIt, await comparable()) }).toEqual({ moment, different: [] });
    }
    const killedUninstall = await run(UNINSTALL, { env: at(moment) });
    if (killedUninstall.status === null) covered.uninstall++;
    expect({ moment, ...(await run(UNINSTALL)) }).toMatchObject({ moment, status: 0 });
    expect({ moment, left: difference(without, await footprint()) }).toEqual({ moment, left: [] });
    if (killedInit.status !== null && killedUninstall.status !== null && moment > 20) break;
  }
  console.log(`killed at ${covered.init} moments of init and ${covered.uninstall} of uninstall`);
  // A moment before and one after each of their steps.
  expect(covered.init).toBeGreaterThanOrEqual(20);
  expect(covered.uninstall).toBeGreaterThanOrEqual(16);
});
