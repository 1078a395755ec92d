/** A containerd of kuke's own takes nothing away that is somebody else's: other files and mounts, another installation, another containerd. */
import { afterEach, beforeAll, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import { privatePaths, remainsOf, servingOf } from '../../../plugins/containerd-shim/private/files.ts';
import { endServing } from '../../../plugins/containerd-shim/private/operations.ts';
import { startContainerd } from '../containerd.ts';
import { at, installKiller } from '../kuke-faults/killer.ts';
import { output } from '../observe/command.ts';
import { namespaces } from '../observe/containerd.ts';
import { difference } from '../observe/inventory.ts';
import { mounts, processes } from '../observe/system.ts';
import { cell, loadImage, logged, pidsOf, shell, stateOf } from './cells.ts';
import { footprint } from './footprint.ts';
import { apply, failing, kuke, run } from './kuke.ts';

const SOCKET = '/run/containerd/containerd.sock';
const OWN = '/opt/kukeon/.kuke/containerd';

const daemons = () => processes().filter(({ command: [program = ''] }) => basename(program) === 'containerd');
const mountedAt = (target: string) => mounts().filter(mount => mount.target === target).length;

async function killDaemon(): Promise<void> {
  const [{ pid } = { pid: 0 }] = daemons();
  process.kill(pid, 'SIGKILL');
  while (daemons().some(daemon => daemon.pid === pid)) await Bun.sleep(5);
}

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

// kuke takes programs from the system's folders alone, so the version under test is installed there.
beforeAll(() => {
  for (const program of ['containerd', 'containerd-shim-runc-v2']) {
    const path = Bun.which(program);
    if (path !== null && path !== `/usr/bin/${program}`) symlinkSync(path, `/usr/local/sbin/${program}`);
  }
});
afterEach(async () => {
  await run(['uninstall', '--yes']);
  for (const { target } of mounts().reverse()) {
    if (target.startsWith('/run/containerd/')) await output('umount', target);
  }
  rmSync('/run/containerd', { recursive: true, force: true });
});

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

test('a program with its command line in a container, or another user’s, is not it', async () => {
  await kuke('init');
  await loadImage();
  // busybox's `yes` takes any argument.
  const line = `yes --config ${OWN}/config.toml > /dev/null`;
  await apply(cell('imposter', [shell('main', `trap "exit 0" TERM; /bin/${line} & wait`)]));
  mkdirSync('/tmp/bin');
  symlinkSync(Bun.which('busybox') ?? '', '/tmp/bin/yes');
  const other = Bun.spawn(['setpriv', '--reuid', '65534', '--clear-groups', 'sh', '-c', `exec /tmp/bin/${line}`]);
  await killDaemon();
  await kuke('init');
  expect(daemons()).toHaveLength(1);
  expect(await stateOf('imposter')).toBe('Ready');
  await kuke('uninstall', '--yes');
  expect(other.exitCode).toBeNull();
  other.kill('SIGKILL');
  await other.exited;
});

test('a first one that cannot start takes nothing with it that came meanwhile', async () => {
  const path = '/usr/local/sbin/containerd';
  const installed = existsSync(path);
  if (installed) renameSync(path, `${path}.hidden`);
  const script = ['mkdir -p /run/containerd/other', 'echo theirs > /run/containerd/other/data', 'exit 7'];
  writeFileSync(path, `#!/bin/sh\n${script.join('\n')}\n`, { mode: 0o755 });
  expect(await failing(5, 'init')).toContain('status 7');
  rmSync(path);
  if (installed) renameSync(`${path}.hidden`, path);
  expect(readFileSync('/run/containerd/other/data', 'utf8')).toBe('theirs\n');
  expect(readdirSync('/run/containerd')).toEqual(['other']);
  expect(existsSync('/opt/kukeon')).toBe(false);
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

test.each(['', '{"socket":"/run/cont', '[]', '{"socket":7}'])('a damaged serving.json is none: %p', async text => {
  const before = await footprint();
  await kuke('init');
  writeFileSync(`${OWN}/serving.json`, text);
  await killDaemon();
  await kuke('init');
  writeFileSync(`${OWN}/serving.json`, text);
  await kuke('uninstall', '--yes');
  expect(daemons()).toEqual([]);
  expect(difference(before, await footprint())).toEqual([]);
});

test('a containerd that has taken over the socket meanwhile keeps it', async () => {
  await kuke('init');
  await killDaemon();
  await using theirs = await startContainerd();
  await kuke('uninstall', '--yes');
  expect(daemons().map(({ pid }) => pid)).toEqual([theirs.pid]);
  expect(await namespaces()).toEqual([]);
  expect(existsSync(OWN)).toBe(false);
});

/** The journal of an init that died while it started its containerd for the first time. */
function leaveJournal(attempt: string): void {
  const paths = privatePaths('/opt/kukeon');
  const params = {
    paths,
    program: '/usr/bin/containerd',
    serving: { socket: SOCKET, madeFolders: ['/run/containerd'], attempt },
    isRestart: false,
  };
  const step = { id: 's1', type: 'containerd-shim.serve', params, after: [], resource: 'host' };
  const head = { event: 'plan', version: 2, id: '0', intent: 'create', command: 'kuke init --early', steps: [step] };
  const lines = [head, { event: 'start', step: 's1' }].map(line => JSON.stringify(line));
  mkdirSync('/opt/kukeon/.kuke/journal', { recursive: true, mode: 0o700 });
  writeFileSync('/opt/kukeon/.kuke/journal/0.jsonl', `${lines.join('\n')}\n`, { mode: 0o600 });
}

test('the undoing of an init that died long ago leaves alone what a later one has started', async () => {
  await kuke('init');
  await loadImage();
  await apply(cell('web'));
  const running = daemons();
  leaveJournal('an earlier one');
  const { status, stderr } = await run(['init']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('undone: kuke init --early') });
  expect(daemons()).toEqual(running);
  expect(await stateOf('web')).toBe('Ready');
});

test('that of one that died just now takes all with it', async () => {
  const before = await footprint();
  await kuke('init');
  leaveJournal(servingOf(privatePaths('/opt/kukeon'))?.attempt ?? '');
  const [first] = daemons();
  // uninstall fails for want of a containerd, or is done; the undoing comes first in either case.
  const { stderr } = await run(['uninstall', '--yes']);
  expect(stderr).toContain('undone: kuke init --early');
  expect(daemons()).not.toContainEqual(first);
  expect(existsSync(OWN)).toBe(false);
  await kuke('init');
  await kuke('uninstall', '--yes');
  expect(difference(before, await footprint())).toEqual([]);
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
