// through kukeond, too
// containerd: once, since what is desired is the manifest's; states.test.ts has what becomes of it on each version.
/** The state that somebody asks for (spec.md §7): it stays until somebody says otherwise, and a cell without containers has none. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { networkNamespaces } from '../observe/network.ts';
import { cell, container, getCell, pidsOf, stateOf } from './cells.ts';
import { apply, failing, kuke, run } from './kuke.ts';
import { leaks, type ReadyHost, readyHost, removeCells } from './ready-host.ts';

let host: ReadyHost;
beforeAll(async () => {
  host = await readyHost();
});
afterEach(removeCells);
afterAll(() => host.containerd.stop());

async function expectNothingLeft(...names: string[]): Promise<void> {
  for (const name of names) await kuke('delete', 'cell', name, '--cascade');
  expect(await leaks(host.before)).toEqual([]);
}

test('Pending: a cell without containers has no network, and cannot be started', async () => {
  expect(await kuke('create', 'cell', 'empty')).toBe('cell main/default/default/empty created\n');
  expect(await kuke('create', 'cell', 'empty')).toBe('cell main/default/default/empty unchanged\n');
  expect(await stateOf('empty')).toBe('Pending');
  expect(await networkNamespaces()).toEqual([]);
  expect(await failing(4, 'start', 'cell', 'empty')).toContain('no containers');
  expect(await kuke('stop', 'cell', 'empty')).toMatch(/empty stopped/);
  expect(await stateOf('empty')).toBe('Pending');
  // Without containers there is nothing to cascade to.
  expect(await kuke('delete', 'cell', 'empty')).toContain('deleted');
  await expectNothingLeft();
});

test('desiredState stays until somebody says otherwise', async () => {
  const web = (fields = {}, spec = {}) => cell('web', [container('main', fields)], spec);
  await apply(web());
  await kuke('stop', 'cell', 'web');
  expect(await apply(web())).toContain('unchanged');
  expect(await apply(web({ env: ['A=1'] }))).toContain('spec.containers[main].env: added');
  expect(await stateOf('web')).toBe('Stopped Requested');
  await kuke('start', 'cell', 'web');
  expect(readFileSync(`/proc/${(await pidsOf('web')).main}/environ`, 'utf8')).toContain('A=1');
  expect(await apply(web({ env: ['A=1'] }, { desiredState: 'stopped' }))).toContain(
    'spec.desiredState: running → stopped',
  );
  expect(await stateOf('web')).toBe('Stopped Requested');
  expect(await apply(web({ env: ['A=1'] }, { desiredState: 'running' }))).toContain(
    'spec.desiredState: stopped → running',
  );
  expect(await stateOf('web')).toBe('Ready');
  await expectNothingLeft('web');
});

test('a cell can be created stopped', async () => {
  await apply(cell('later', [container('main')], { desiredState: 'stopped' }));
  expect((await getCell('later')).status.containers.map(({ state }) => state)).not.toContain('Running');
  expect(await networkNamespaces()).toEqual([]);
  await kuke('start', 'cell', 'later');
  expect(await stateOf('later')).toBe('Ready');
  await expectNothingLeft('later');
});

test('what is not there, or no cell, is said to be so', async () => {
  expect(await failing(3, 'start', 'cell', 'nobody')).toContain('cell main/default/default/nobody: not found');
  expect(await failing(3, 'stop', 'cell', 'nobody')).toContain('not found');
  expect(await failing(2, 'start', 'stack', 'default')).toContain('kuke start cell NAME');
  expect(await failing(2, 'kill', 'space', 'default')).toContain('kuke kill cell NAME');
  expect(await failing(2, 'stop', 'cell', 'nobody', '--timeout', 'soon')).toContain('--timeout');
  expect((await run(['start'])).status).toBe(2);
  expect(existsSync('/opt/kukeon/main/default/default/nobody')).toBe(false);
});
