// containerd: once, since it has no part in this.
/** `kuke doctor` beside another kuke, and killed itself in the middle of a repair. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import type { Containerd } from '../containerd.ts';
import { cell, container, logged, shell } from '../kuke/cells.ts';
import { footprint } from '../kuke/footprint.ts';
import { apply, failing, kuke, start } from '../kuke/kuke.ts';
import { warmHost } from '../kuke-faults/warm-host.ts';
import { ctr } from '../observe/containerd.ts';
import { difference, type Inventory } from '../observe/inventory.ts';
import { doctor, fixAll } from './diagnosis.ts';

let containerd: Containerd;
let before: Inventory;
beforeAll(async () => {
  containerd = await warmHost();
  before = await footprint();
});
afterAll(() => containerd.stop());

const STUBBORN = 'trap "" TERM; echo ready; while :; do sleep 0.05; done';

test('another kuke that is at work is named, and what it has begun is not taken for left over; --fix waits for it', async () => {
  await apply(cell('slow', [shell('main', STUBBORN)]));
  await logged('slow', 'main', /ready/);
  const holder = start(['stop', 'cell', 'slow', '--timeout', '1h']);
  let named = await doctor();
  while (!named.codes.includes('Busy')) named = await doctor();
  // The cell may be half stopped by then.
  expect(named.codes.filter(code => code !== 'NotAsApplied')).toEqual(['Busy']);
  const busy = named.found.find(({ code }) => code === 'Busy');
  expect(busy?.what).toContain(`pid ${holder.pid}, kuke stop cell slow --timeout 1h`);
  expect(await failing(6, 'doctor', '--fix', '--lock-timeout', '100ms')).toContain(
    `still held after 100 ms by pid ${holder.pid}`,
  );
  holder.kill('SIGKILL');
  await holder.exited;
  expect((await doctor()).codes).toEqual(['JournalLeft', 'NotAsApplied', 'StaleLock']);
  // Else the stop would be finished in its own time.
  await ctr('kukeon-main', ['tasks', 'kill', '--signal', 'SIGKILL', 'default_default_slow_root']);
  await fixAll();
  await kuke('delete', 'cell', 'slow', '--cascade');
});

test('a repair that is killed is gone on with by the next', async () => {
  for (let moment = 1; ; moment++) {
    await apply(cell('gone', [container('main', { ports: ['8080:80'] }), container('side')]));
    await logged('gone', 'side', /ready/);
    rmSync('/opt/kukeon/main/default/default/gone', { recursive: true });
    const repair = start(['doctor', '--fix']);
    await Bun.sleep(moment * 100);
    repair.kill('SIGKILL');
    await repair.exited;
    await fixAll();
    expect({ moment, left: difference(before, await footprint()) }).toEqual({ moment, left: [] });
    if (repair.signalCode === null || moment === 5) break;
  }
});
