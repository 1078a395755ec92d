/** A containerd of kuke's own takes nothing away that is somebody else's: other files and mounts, another installation, another containerd. */
// containerd: the oldest and the newest, since what differs between versions is asked of each by the tests of containerd-shim.
import { afterEach, beforeAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { privatePaths, remainsOf, servingOf } from '../../../plugins/containerd-shim/private/files.ts';
import { endServing } from '../../../plugins/containerd-shim/private/operations.ts';
import { at, installKiller } from '../kuke-faults/killer.ts';
import { output } from '../observe/command.ts';
import { namespaces } from '../observe/containerd.ts';
import { difference } from '../observe/inventory.ts';
import { mounts } from '../observe/system.ts';
import { cell, loadImage, logged, pidsOf, stateOf } from './cells.ts';
import { footprint } from './footprint.ts';
import { apply, failing, kuke, run } from './kuke.ts';
import { daemons, installVersion, removeDaemon } from './private-daemon.ts';

const OWN = '/opt/kukeon/.kuke/containerd';

const mountedAt = (target: string) => mounts().filter(mount => mount.target === target).length;

/** Somebody's data, also bind-mounted at `target`. */
async function mountPrecious(target: string): Promise<void> {
  mkdirSync('/tmp/precious', { recursive: true });
  writeFileSync('/tmp/precious/data', 'theirs');
  mkdirSync(target, { recursive: true });
  await output('mount', '--bind', '/tmp/precious', target);
}

function expectPrecious(): void {
  expect(readFileSync('/tmp/precious/data', 'utf8')).toBe('theirs');
}

beforeAll(installVersion);
afterEach(removeDaemon);

test('uninstall leaves what others keep beside its socket, mounted or not, and empty folders of its own nowhere', async () => {
  await kuke('init');
  await loadImage();
  await apply(cell('web'));
  expect(existsSync('/run/containerd/runc/kukeon-main/default_default_web_root')).toBe(true);
  await mountPrecious('/run/containerd/other/rootfs');
  mkdirSync('/run/containerd/runc/other/theirs', { recursive: true });
  writeFileSync('/run/containerd/s/theirs', '');
  await kuke('uninstall', '--yes');
  expectPrecious();
  expect(mountedAt('/run/containerd/other/rootfs')).toBe(1);
  expect(readdirSync('/run/containerd').sort()).toEqual(['other', 'runc', 's']);
  expect(readdirSync('/run/containerd/runc')).toEqual(['other']);
  expect(readdirSync('/run/containerd/s')).toEqual(['theirs']);
  expect(daemons()).toEqual([]);
});

test('what is mounted in its own folders is unmounted, not emptied, also when the run path is a symbolic link', async () => {
  const before = await footprint();
  mkdirSync('/opt/real');
  symlinkSync('/opt/real', '/opt/link');
  const linked = ['--run-path', '/opt/link'];
  await kuke('init', ...linked);
  writeFileSync('/opt/real/.theirs', ''); // so that the folder stays
  const [state = ''] = new Bun.Glob('/run/kukeon/*/containerd').scanSync({ absolute: true, onlyFiles: false });
  expect(existsSync(state)).toBe(true);
  for (const target of ['/opt/real/.kuke/containerd/root/left', `${state}/left/rootfs`]) {
    await mountPrecious(target);
    await mountPrecious(target); // one hides the other
    expect(mountedAt(target)).toBe(2);
  }
  // However the run path is spelt, it is one installation.
  await kuke('init', '--run-path', '/opt/real');
  expect(daemons()).toHaveLength(1);
  await kuke('uninstall', '--yes', ...linked);
  expectPrecious();
  expect(daemons()).toEqual([]);
  rmSync('/opt/link');
  expect(readdirSync('/opt/real')).toEqual(['.theirs']);
  rmSync('/opt/real', { recursive: true });
  expect(difference(before, await footprint())).toEqual([]);
});

/** ctr, asked by the first footprint, has containerd 2 make itself a name. */
const INTROSPECTION = / \/opt\/kukeon\/.*\.introspection(?:\/uuid)?$/;

test('two installations have a containerd each: uninstall of one harms nothing of the other', async () => {
  installKiller();
  const before = await footprint();
  await kuke('init');
  await loadImage();
  await apply(cell('web'));
  await logged('web', 'main', /ready/);
  const pids = await pidsOf('web');
  const made = await footprint();
  const other = ['--run-path', '/opt/other', '--containerd-socket', '/run/other/below/c.sock'];
  // The tree of cgroups is one installation's. By then the other has its containerd, which goes again; unless it is killed there.
  await failing(4, 'init', ...other);
  expect(difference(made, await footprint(), [INTROSPECTION])).toEqual([]);
  expect(await run(['init', ...other], { env: at('before cgroup.create') })).toMatchObject({ status: null });
  expect(daemons()).toHaveLength(2);
  expect(await namespaces('/run/other/below/c.sock')).toEqual([]);
  expect(await namespaces()).toEqual(['kukeon-main']);
  await kuke('uninstall', '--yes', ...other);
  expect(difference(made, await footprint(), [INTROSPECTION])).toEqual([]);
  expect(await stateOf('web')).toBe('Ready');
  expect(await pidsOf('web')).toEqual(pids);
  await kuke('stop', 'cell', 'web');
  await kuke('start', 'cell', 'web');
  await kuke('uninstall', '--yes');
  expect(difference(before, await footprint(), [/^mount \/run\/netns tmpfs$/])).toEqual([]);
  for (const path of ['/opt/plugins', '/etc/kukeon']) rmSync(path, { recursive: true });
});

test('the commands that explain its end, and its start, do what they do', async () => {
  await kuke('init');
  await loadImage();
  await apply(cell('web'));
  await kuke('delete', 'cell', 'web', '--cascade');
  await mountPrecious(`${OWN}/root/left`);
  const paths = privatePaths('/opt/kukeon');
  const remains = remainsOf(paths, servingOf(paths) ?? {});
  // What is no more or in use is told on standard error.
  await output('sh', '-c', `{ ${endServing.explain({ paths, remains })}\n} 2> /dev/null || true`);
  expectPrecious();
  expect(daemons()).toEqual([]);
  expect([...remains.own, ...remains.sockets, ...remains.shared].filter(path => existsSync(path))).toEqual([]);
  // And those that start it, for what is to answer does by the end.
  await output('bash', '-ec', await kuke('init', '--dry-run', '--explain'));
  expect(daemons()).toHaveLength(1);
  expect(await kuke('init')).not.toContain('created');
});
