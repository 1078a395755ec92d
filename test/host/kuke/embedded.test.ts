/** Where no containerd answers, `kuke init` starts one of its own, and `kuke uninstall` ends it (issue: the embedded default). */
// containerd: the oldest and the newest, since what differs between versions is asked of each by the tests of containerd-shim.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { ctr, namespaces, tasks } from '../observe/containerd.ts';
import { difference } from '../observe/inventory.ts';
import type { Process } from '../observe/system.ts';
import { addressesOf, cell, getCell, loadImage, pidsOf, stateOf } from './cells.ts';
import { footprint, scaffold } from './footprint.ts';
import { apply, applyFailing, binary, failing, get, kuke, run } from './kuke.ts';
import { daemons, installVersion, killDaemon } from './private-daemon.ts';

const SOCKET = '/run/containerd/containerd.sock';
const LOG = '/opt/kukeon/.kuke/containerd/containerd.log';

beforeAll(installVersion);
afterAll(() => run(['uninstall', '--yes']));

test('without the program, init says what to install and leaves nothing', async () => {
  const installed = ['/usr/local/sbin/containerd', '/usr/bin/containerd'].filter(path => existsSync(path));
  for (const path of installed) renameSync(path, `${path}.hidden`);
  const before = await footprint();
  expect(await failing(5, 'init')).toContain('apt-get install containerd');
  expect(difference(before, await footprint())).toEqual([]);
  for (const path of installed) renameSync(`${path}.hidden`, path);
});

test('it outlives the command and the shell, and ctr works as documented', async () => {
  // A session of its own, which ends with the shell; containerd may hold none of its pipes open, or this would not return.
  const shell = Bun.spawn(['setsid', '--wait', 'bash', '-c', `${binary} init; kill -HUP 0`], {
    stdout: 'pipe',
    stderr: 'pipe',
  });
  expect(await shell.stdout.text()).toContain('realm main created');
  await shell.exited;
  expect(daemons()).toHaveLength(1);
  expect(await namespaces()).toEqual(['kukeon-main']);
  await loadImage();
  await apply(cell('web'));
  expect(await tasks('kukeon-main')).toEqual([
    { id: 'default_default_web_root', pid: expect.any(Number), status: 'RUNNING' },
  ]);
  expect(await ctr('kukeon-main', ['images', 'ls', '-q'])).toBe('docker.io/library/test:1\n');
});

test('it has one root, for root alone', () => {
  expect(existsSync('/opt/kukeon/.kuke/containerd/root/io.containerd.metadata.v1.bolt/meta.db')).toBe(true);
  expect(readdirSync('/var/lib/containerd')).toEqual([]);
  expect(readFileSync(LOG, 'utf8')).toContain('containerd successfully booted');
});

test('a second init leaves it as it is', async () => {
  const [first] = daemons();
  expect(await kuke('init')).toBe(
    'realm main unchanged\nspace main/default unchanged\nstack main/default/default unchanged\n',
  );
  expect(daemons()).toEqual([first as Process]);
});

test('killed: reading says Unknown, changing fails with exit code 5 and the remedy; init starts it again, and cells have run on', async () => {
  const pids = await pidsOf('web');
  const addresses = await addressesOf('web');
  await killDaemon();
  expect(await stateOf('web')).toBe('Unknown RuntimeUnavailable');
  expect((await get<{ status: { state: string } }>('realm', 'main')).status.state).toBe('Unknown');
  expect(await kuke('get', 'cells')).toMatch(/web +Unknown/);
  expect(await kuke('get', 'containers')).toMatch(/web +main/);
  for (const command of [
    ['stop', 'cell', 'web'],
    ['start', 'cell', 'web'],
    ['kill', 'cell', 'web'],
    ['delete', 'cell', 'web', '--cascade'],
    ['create', 'realm', 'lab'],
    ['image', 'ls'],
  ]) {
    expect(await failing(5, ...command)).toContain('kuke init');
  }
  expect(await applyFailing(5, cell('other'))).toContain('kuke init');
  await failing(3, 'get', 'cell', 'other');
  await failing(3, 'get', 'realm', 'lab');

  expect(await kuke('init')).toContain('realm main unchanged');
  expect(await stateOf('web')).toBe('Ready');
  expect(await pidsOf('web')).toEqual(pids);
  expect(await addressesOf('web')).toEqual(addresses);
  expect((await getCell('web')).spec.desiredState).toBeUndefined();
});

/** While `work` runs, the containerd that kuke finds ends at once. */
async function whileBroken(work: () => Promise<void>): Promise<void> {
  const path = '/usr/local/sbin/containerd';
  const installed = existsSync(path);
  if (installed) renameSync(path, `${path}.hidden`);
  writeFileSync(path, '#!/bin/sh\necho "containerd: cannot do this" >&2\nexit 7\n', { mode: 0o755 });
  await work();
  rmSync(path);
  if (installed) renameSync(`${path}.hidden`, path);
}

test('one that cannot start again harms nothing that is there', async () => {
  const pids = await pidsOf('web');
  await killDaemon();
  await whileBroken(async () => {
    expect(await failing(5, 'init')).toContain('containerd: cannot do this');
  });
  await kuke('init');
  expect(await stateOf('web')).toBe('Ready');
  expect(await pidsOf('web')).toEqual(pids);
  expect(await kuke('image', 'ls', '-o', 'name')).toBe('docker.io/library/test:1\n');
});

test('a first one that ends at once is told in its own words, and leaves nothing', async () => {
  await kuke('uninstall', '--yes');
  const before = await footprint();
  await whileBroken(async () => {
    expect(await failing(5, 'init')).toContain('containerd: cannot do this');
  });
  expect(difference(before, await footprint())).toEqual([]);
});

test('a socket that a dead one left is in nobody’s way', async () => {
  mkdirSync('/run/containerd', { recursive: true });
  const listener = Bun.spawn(
    [process.execPath, '-e', `Bun.listen({ unix: '${SOCKET}', socket: { data() {} } }); console.log('listens')`],
    { stdout: 'pipe' },
  );
  await listener.stdout.getReader().read();
  listener.kill('SIGKILL');
  await listener.exited;
  expect(existsSync(SOCKET)).toBe(true);
  expect(await kuke('init')).toContain('realm main created');
  expect(await namespaces()).toEqual(['kukeon-main']);
});

test('uninstall ends it with all of its cells, and leaves nothing', async () => {
  await kuke('uninstall', '--yes');
  Bun.spawnSync(['rm', '-rf', '/run/containerd']);
  const before = await footprint();
  await kuke('init');
  await loadImage();
  await apply(cell('web'), cell('api'));
  await kuke('uninstall', '--yes');
  expect(daemons()).toEqual([]);
  expect(difference(before, await footprint(), scaffold)).toEqual([]);
});

test('uninstall also when it was killed before, with a cell that runs', async () => {
  const before = await footprint();
  await kuke('init');
  await loadImage();
  await apply(cell('web'));
  await killDaemon();
  expect(await failing(5, 'uninstall', '--yes')).toContain('kuke init');
  await kuke('init');
  await kuke('uninstall', '--yes');
  expect(difference(before, await footprint())).toEqual([]);
});
