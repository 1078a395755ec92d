// containerd: once, since whose a containerd is, kuke tells by its own files; private-containerd.test.ts has the versions.
/** Which containerd is kuke's own: no imposter, none that has taken over its socket, whatever its files and journals say. */
import { afterEach, expect, test } from 'bun:test';
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
import { privatePaths, servingOf } from '../../../plugins/containerd-shim/private/files.ts';
import { startContainerd } from '../containerd.ts';
import { namespaces } from '../observe/containerd.ts';
import { difference } from '../observe/inventory.ts';
import { cell, loadImage, shell, stateOf } from './cells.ts';
import { footprint } from './footprint.ts';
import { apply, failing, kuke, run } from './kuke.ts';
import { daemons, killDaemon, removeDaemon } from './private-daemon.ts';

const SOCKET = '/run/containerd/containerd.sock';
const OWN = '/opt/kukeon/.kuke/containerd';

afterEach(removeDaemon);

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
  const head = { event: 'plan', version: 4, id: '0', onFailure: 'undo', command: 'kuke init --early', steps: [step] };
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
