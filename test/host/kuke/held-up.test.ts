// containerd: once, since it hangs, or takes no part in it.
/** What holds everything up, a cgroup that somebody has frozen or a containerd that hangs, holds no command up for ever. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { cell, stateOf } from './cells.ts';
import { apply, failing, kuke } from './kuke.ts';
import { type ReadyHost, readyHost, removeCells } from './ready-host.ts';

let host: ReadyHost;
beforeAll(async () => {
  host = await readyHost();
});
afterEach(removeCells);
afterAll(() => host.containerd.stop());

test('what somebody has frozen by hand is named, and holds nobody up', async () => {
  await apply(cell('web'));
  await kuke('stop', 'cell', 'web');
  const freezer = '/sys/fs/cgroup/kukeon/main/default/default/cgroup.freeze';
  writeFileSync(freezer, '1');
  expect(await failing(4, 'start', 'cell', 'web')).toContain('/kukeon/main/default/default is frozen');
  writeFileSync(freezer, '0');
  await kuke('start', 'cell', 'web');
  expect(await stateOf('web')).toBe('Ready');
});

test('with one that hangs nobody waits for ever', async () => {
  await apply(cell('web'));
  process.kill(host.containerd.pid, 'SIGSTOP');
  expect(await kuke('get', 'cells')).toMatch(/web +Unknown +\?\/1/);
  process.kill(host.containerd.pid, 'SIGCONT');
  expect(await stateOf('web')).toBe('Ready');
});
