// containerd: once, since what it does after its death is tested in containerd-shim/runtime-faults.test.ts on all.
/** containerd is killed (-9) in the middle of a command: that ends soon and says so, and after containerd's return it converges. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { Containerd } from '../containerd.ts';
import { hostState } from '../crash-points/host-state.ts';
import { cell, container, stateOf } from '../kuke/cells.ts';
import { type Ran, run } from '../kuke/kuke.ts';
import { ctr } from '../observe/containerd.ts';
import { difference, type Inventory } from '../observe/inventory.ts';
import { at, installKiller } from './killer.ts';
import { warmHost } from './warm-host.ts';

const APPLY = ['apply', '-f', '-'];
const DELETE = ['delete', 'cell', 'web', '--cascade', '--force', '--ignore-not-found'];
const stdin = JSON.stringify(cell('web', [container('main'), container('side')]));

let containerd: Containerd;
let without: Inventory;
let withIt: Inventory;
beforeAll(async () => {
  containerd = await warmHost();
  installKiller();
  without = await hostState();
  expect(await run(APPLY, { stdin })).toMatchObject({ status: 0 });
  withIt = await hostState();
  expect(await run(DELETE)).toMatchObject({ status: 0 });
});
afterAll(() => containerd.stop());

/** containerd dies at a moment of the command, and comes back after it. */
async function dying(moment: string, args: string[]): Promise<Ran> {
  const ran = await run(args, { stdin, env: at(moment, 'SIGKILL', containerd.pid) });
  await containerd.kill(); // it is dead; this waits for its end
  await containerd.start();
  return ran;
}

const told = ({ status, stderr }: Ran): void => {
  expect({ status, stderr }).toEqual({ status: expect.any(Number), stderr: expect.stringMatching(/containerd/) });
  expect([1, 5]).toContain(status ?? -1);
};

test.each(['before runtime.create', 'after runtime.create', 'before runtime.start', 'after runtime.start'])(
  'in an apply, %s',
  async moment => {
    const ran = await dying(moment, APPLY);
    if (ran.status !== 0) told(ran);
    expect(await run(APPLY, { stdin })).toMatchObject({ status: 0 });
    expect(await stateOf('web')).toBe('Ready');
    expect(difference(withIt, await hostState())).toEqual([]);
    expect(await run(DELETE)).toMatchObject({ status: 0 });
    expect(difference(without, await hostState())).toEqual([]);
  },
);

test.each(['before runtime.stop', 'after runtime.stop', 'before runtime.remove', 'after runtime.remove'])(
  'in a delete, %s',
  async moment => {
    expect(await run(APPLY, { stdin })).toMatchObject({ status: 0 });
    const ran = await dying(moment, DELETE);
    if (ran.status !== 0) told(ran);
    expect(await run(DELETE)).toMatchObject({ status: 0 });
    expect(difference(without, await hostState())).toEqual([]);
  },
);

test('in a delete, between the object of a container and its file system', async () => {
  expect(await run(APPLY, { stdin })).toMatchObject({ status: 0 });
  expect(await run(['stop', 'cell', 'web'])).toMatchObject({ status: 0 });
  await ctr('kukeon-main', ['containers', 'rm', '--keep-snapshot', 'default_default_web_side']);
  expect(await run(DELETE)).toMatchObject({ status: 0 });
  expect(difference(without, await hostState())).toEqual([]);
});
