// containerd: once, since all that it has in this is a namespace.
/** kuke is killed (-9) at every moment before and after a step of init and uninstall: the next one converges, and leaves nothing. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Containerd, startContainerd } from '../containerd.ts';
import { cell, loadImage } from '../kuke/cells.ts';
import { footprint } from '../kuke/footprint.ts';
import { apply, kuke, run } from '../kuke/kuke.ts';
import { at, installKiller } from '../kuke-faults/killer.ts';
import { difference, type Inventory } from '../observe/inventory.ts';
import { hostState } from './host-state.ts';
import { type Coverage, momentsOf, tell } from './moments.ts';

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
  withIt = await hostState();
  await kuke(...UNINSTALL);
  expect(difference(without, await footprint())).toEqual([]);
});
afterAll(() => containerd.stop());

const covered: Coverage[] = [];
afterAll(() => tell(covered));

test('init', async () => {
  const coverage = { name: 'init', killed: 0, last: 0 };
  for (const moment of momentsOf(0)) {
    const { status } = await run(INIT, { env: at(moment) });
    if (status !== null) break;
    Object.assign(coverage, { killed: coverage.killed + 1, last: moment });
    // Each second time there is no next init: uninstall has to do with what is there.
    if (coverage.killed % 2 === 1) {
      expect({ moment, ...(await run(INIT)) }).toMatchObject({ moment, status: 0 });
      expect({ moment, different: difference(withIt, await hostState()) }).toEqual({ moment, different: [] });
    }
    expect({ moment, ...(await run(UNINSTALL)) }).toMatchObject({ moment, status: 0 });
    expect({ moment, left: difference(without, await footprint()) }).toEqual({ moment, left: [] });
  }
  covered.push(coverage);
  expect(coverage.last).toBeGreaterThanOrEqual(18);
});

test('uninstall', async () => {
  const coverage = { name: 'uninstall', killed: 0, last: 0 };
  for (const moment of momentsOf(1)) {
    await kuke(...INIT);
    const { status } = await run(UNINSTALL, { env: at(moment) });
    if (status === null) Object.assign(coverage, { killed: coverage.killed + 1, last: moment });
    expect({ moment, ...(await run(UNINSTALL)) }).toMatchObject({ moment, status: 0 });
    expect({ moment, left: difference(without, await footprint()) }).toEqual({ moment, left: [] });
    if (status !== null) break;
  }
  covered.push(coverage);
  expect(coverage.last).toBeGreaterThanOrEqual(14);
});
