import '../box.ts';
import { beforeEach, expect, test } from 'bun:test';
import { closeSync, mkdirSync, openSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { bindMount, makeShared, unmount } from '../../../src/host/mount.ts';
import { cgroup2MountPoint, currentMounts, mountOf, readMounts } from '../../../src/host/mountinfo.ts';
import { run } from '../netlink/outside.ts';

let scene = 0;
let a: string;
let b: string;
beforeEach(() => {
  a = `/tmp/mount-${++scene}/a`;
  b = `/tmp/mount-${scene}/b`;
  mkdirSync(a, { recursive: true });
  mkdirSync(b);
});
const mountTmpfs = (target: string) => run('mount', '-t', 'tmpfs', 'tmpfs', target);
const mounted = (target: string) => Bun.spawnSync(['findmnt', '--mountpoint', target]).exitCode === 0;

test('a bind mount shows a directory or a file elsewhere, with what is mounted below it if asked for', () => {
  mkdirSync(`${a}/below`);
  mountTmpfs(`${a}/below`);
  bindMount(a, b);
  expect(mounted(`${b}/below`)).toBe(false);
  unmount(b);
  bindMount(a, b, { recursive: true });
  expect(mounted(`${b}/below`)).toBe(true);
  writeFileSync(`${a}/below/file`, 'content');
  writeFileSync(`${a}/target`, '');
  bindMount(`${a}/below/file`, `${a}/target`);
  expect(readFileSync(`${b}/below/file`, 'utf8')).toBe('content');
  expect(readFileSync(`${a}/target`, 'utf8')).toBe('content');
  const user = openSync(`${a}/below/file`, 'r');
  expect(() => unmount(`${a}/below`)).toThrow(`umount ${a}/below: Device or resource busy (EBUSY)`);
  expect(unmount(`${a}/below`, { detach: true })).toBe(true);
  closeSync(user);
  expect(unmount(`${a}/target`)).toBe(true);
  expect(unmount(b, { detach: true })).toBe(true);
  expect(run('findmnt', '--list', '--noheadings', '--output', 'TARGET')).not.toContain(`/tmp/mount-${scene}/`);
});

test('what is not there to be unmounted is no error; a link is not followed; a failure has the word of the kernel', () => {
  expect(unmount(a)).toBe(false);
  expect(unmount(`${a}/none`)).toBe(false);
  mountTmpfs(a);
  symlinkSync(a, `/tmp/mount-${scene}/link`);
  expect(unmount(`/tmp/mount-${scene}/link`)).toBe(false);
  expect(mounted(a)).toBe(true);
  unmount(a);
  expect(() => bindMount('/nowhere', a)).toThrow(`mount /nowhere on ${a}: No such file or directory (ENOENT)`);
  expect(() => makeShared(a)).toThrow(`mount ${a}: Invalid argument (EINVAL)`);
  expect(() => bindMount('/tmp', `${a}\0`)).toThrow(RangeError);
});

test('the mount table names every path as it is, and finds the mount of each as findmnt does', () => {
  const odd = `${a}/ \t\n\\#\\040-ä`;
  mkdirSync(odd);
  run('mount', '-t', 'tmpfs', 'odd source', odd);
  const mounts = readMounts();
  expect(mounts.find(mount => mount.mountPoint === odd)).toMatchObject({ fsType: 'tmpfs', source: 'odd source' });
  expect(mountOf(mounts, `${odd}/below`)?.mountPoint).toBe(odd);
  expect(mountOf(mounts, odd)?.mountPoint).toBe(odd);
  expect(mountOf(mounts, a)?.mountPoint).not.toBe(a);
  for (const path of ['/', '/etc', '/proc/sys', '/run/netns', '/sys/fs/cgroup/init', '/dev/shm', process.cwd()]) {
    const real = realpathSync(path);
    const [id] = run('findmnt', '--noheadings', '--raw', '--target', real, '--output', 'ID')
      .trim()
      .split('\n')
      .slice(-1);
    expect(`${mountOf(mounts, real)?.id}`).toBe(id ?? '');
  }
  unmount(odd);
});

test('the current mounts are read anew when something was mounted, remounted or unmounted, and only then', () => {
  const first = currentMounts();
  expect(first).toEqual(readMounts());
  expect(currentMounts()).toBe(first);
  mountTmpfs(a);
  const there = currentMounts();
  expect(there.map(({ mountPoint }) => mountPoint)).toContain(a);
  expect(currentMounts()).toBe(there);
  run('mount', '-o', 'remount,ro', a);
  expect(currentMounts().find(({ mountPoint }) => mountPoint === a)?.options).toContain('ro');
  unmount(a);
  expect(currentMounts()).toEqual(readMounts());
  expect(currentMounts().map(({ mountPoint }) => mountPoint)).not.toContain(a);
});

test('cgroup2 is where findmnt says', () => {
  const [first] = run('findmnt', '--noheadings', '--raw', '--types', 'cgroup2', '--output', 'TARGET')
    .trim()
    .split('\n');
  expect(cgroup2MountPoint(readMounts())).toBe(first);
  // Something mounted over it hides it.
  mountTmpfs('/sys/fs/cgroup');
  expect(cgroup2MountPoint(readMounts())).toBeUndefined();
  unmount('/sys/fs/cgroup');
});
