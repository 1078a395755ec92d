/**
 * kuke is killed (-9) at every moment before and after a step of apply and delete of a cell: the next one converges, and leaves nothing.
 * Around containerd's own steps on each of its versions; of all moments every third on each, so that the versions together take them all
 * (KUKE_TEST_POINTS=all: each all of them).
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { containerdVersions } from '../../runner/plan.ts';
import { type Containerd, versionIndex } from '../containerd.ts';
import { type Cell, cell, container } from '../kuke/cells.ts';
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

/** Whether the apply and the delete were killed at this moment, after which the same command each puts things right. */
async function killedAt(moment: number | string): Promise<{ apply: boolean; delete: boolean }> {
  const killedApply = await killed(APPLY, moment);
  expect({ moment, state: storedState() }).toEqual({ moment, state: 'Ready' });
  expect({ moment, different: difference(withIt, await comparable()) }).toEqual({ moment, different: [] });

  const killedDelete = await killed(DELETE, moment);
  expect({ moment, left: difference(without, await footprint()) }).toEqual({ moment, left: [] });
  return { apply: killedApply, delete: killedDelete };
}

/** Whether it was; then the same command again has to end well. */
async function killed(command: string[], moment: number | string): Promise<boolean> {
  const { status, ...first } = await run(command, { stdin, env: at(moment) });
  const last = status === null ? await run(command, { stdin }) : { status, ...first };
  expect({ moment, ...last }).toMatchObject({ moment, status: 0 });
  return status === null;
}

/** As its last command has seen it. */
function storedState(): string | undefined {
  const { status } = Bun.YAML.parse(readFileSync('/opt/kukeon/main/default/default/web/cell.yaml', 'utf8')) as Cell;
  return status.state;
}

test.each(['runtime.create', 'runtime.start', 'runtime.remove'])('before and after %s', async type => {
  const isOfApply = type !== 'runtime.remove';
  for (const moment of [`before ${type}`, `after ${type}`])
    expect({ moment, ...(await killedAt(moment)) }).toEqual({ moment, apply: isOfApply, delete: !isOfApply });
});

test('apply and delete', async () => {
  const isAll = process.env.KUKE_TEST_POINTS === 'all';
  const last = { apply: 0, delete: 0 };
  for (let moment = isAll ? 1 : 1 + versionIndex; ; moment += isAll ? 1 : containerdVersions.length) {
    const killed = await killedAt(moment);
    if (killed.apply) last.apply = moment;
    if (killed.delete) last.delete = moment;
    if (!killed.apply && !killed.delete) break;
  }
  console.log(`killed at moments up to ${last.apply} of apply and ${last.delete} of delete`);
  // A moment before and one after each of their steps, of which the last may be another version's.
  expect(last.apply).toBeGreaterThanOrEqual(20);
  expect(last.delete).toBeGreaterThanOrEqual(16);
});
