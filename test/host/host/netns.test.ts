import '../box.ts';
import { afterEach, expect, test } from 'bun:test';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createNetns, deleteNetns, isNetns, netnsId, within } from '../../../src/host/netns.ts';
import { readSysctl, writeSysctl } from '../../../src/host/sysctl.ts';
import { ip, run } from '../netlink/outside.ts';

const path = '/run/netns/host-test';
const home = netnsId('/proc/self/ns/net');
const namespaces = () => run('lsns', '--type', 'net', '--noheadings', '--output', 'NS').trim().split('\n').length;
const interfaces = () => readFileSync('/proc/thread-self/net/dev', 'utf8').match(/\w+(?=:)/g);
const before = namespaces();

afterEach(() => {
  expect(netnsId('/proc/thread-self/ns/net')).toEqual(home);
  deleteNetns(path);
  expect(existsSync(path)).toBe(false);
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(path);
  expect(ip('netns', 'list')).toBe('');
  expect(namespaces()).toBe(before);
});

test('ip netns sees it, can enter it, and no longer sees it after deletion', () => {
  const { id, created } = createNetns(path);
  expect(created).toBe(true);
  expect(ip('netns', 'list').trim()).toBe('host-test');
  expect(run('stat', '--format', '%i', path).trim()).toBe(`${id.inode}`);
  expect(run('ip', 'netns', 'exec', 'host-test', 'readlink', '/proc/self/ns/net').trim()).toBe(`net:[${id.inode}]`);
  expect(run('findmnt', '--noheadings', '--output', 'PROPAGATION,FSTYPE', '/run/netns')).toMatch(/^shared/);
  expect(id).not.toEqual(home);
  expect(isNetns(path)).toBe(true);

  expect(createNetns(path)).toEqual({ id, created: false });
  expect(deleteNetns(path)).toBe(true);
  expect(isNetns(path)).toBe(false);
  expect(deleteNetns(path)).toBe(false);
});

test('who holds the lock of the folder, as anybody can, keeps nobody from making one', async () => {
  while (Bun.spawnSync(['umount', '/run/netns'], { stderr: 'ignore' }).exitCode === 0);
  await using holder = Bun.spawn(['flock', '/run/netns', 'sh', '-c', 'echo held; read never'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await holder.stdout.getReader().read();
  expect(createNetns(path).created).toBe(true);
  expect(run('findmnt', '--noheadings', '--output', 'PROPAGATION', '/run/netns')).toMatch(/^shared/);
});

test('it works together with ip netns both ways', () => {
  run('ip', 'netns', 'add', 'host-test');
  expect(createNetns(path).created).toBe(false);
  run('ip', 'netns', 'delete', 'host-test');
  expect(deleteNetns(path)).toBe(false);
  createNetns(path);
  run('ip', 'netns', 'delete', 'host-test');
  expect(existsSync(path)).toBe(false);
});

test('what a killed creation left is taken over, also by deletion; anything else in the way is refused and kept', () => {
  writeFileSync(path, '');
  expect(isNetns(path)).toBe(false);
  expect(createNetns(path).created).toBe(true);
  deleteNetns(path);
  writeFileSync(path, '');
  expect(deleteNetns(path)).toBe(true);

  writeFileSync(path, 'precious');
  expect(() => createNetns(path)).toThrow(`${path} is in the way, it is no network namespace: File exists (EEXIST)`);
  expect(() => deleteNetns(path)).toThrow('(EEXIST)');
  expect(readFileSync(path, 'utf8')).toBe('precious');
  rmSync(path);

  mkdirSync(path);
  expect(() => createNetns(path)).toThrow('(EEXIST)');
  expect(() => deleteNetns(path)).toThrow('(EEXIST)');
  rmSync(path, { recursive: true });

  symlinkSync('/etc/passwd', path);
  expect(isNetns(path)).toBe(false);
  expect(() => createNetns(path)).toThrow('(EEXIST)');
  expect(lstatSync(path).isSymbolicLink()).toBe(true);
  rmSync(path);
});

test('only network namespaces are taken for one', () => {
  expect(isNetns('/proc/self/ns/net')).toBe(true);
  for (const other of ['/proc/self/ns/mnt', '/etc/passwd', '/run', '/nowhere', '/etc/passwd/x', '/dev/null'])
    expect(isNetns(other)).toBe(false);
  expect(() => netnsId('/nowhere')).toThrow('stat /nowhere: No such file or directory (ENOENT)');
});

test('two mounts on one name are both removed', () => {
  createNetns(path);
  run('mount', '--bind', '/proc/self/ns/net', path);
  expect(deleteNetns(path)).toBe(true);
});

test('deletion arrives in mount namespaces that were made meanwhile', async () => {
  createNetns(path);
  const other = Bun.spawn(['unshare', '--mount', '--propagation', 'slave', 'sh', '-c', 'echo ready; exec sleep 1000'], {
    stdout: 'pipe',
  });
  await other.stdout.getReader().read();
  const seenThere = () => readFileSync(`/proc/${other.pid}/mountinfo`, 'utf8').includes(path);
  expect(seenThere()).toBe(true);
  deleteNetns(path);
  expect(seenThere()).toBe(false);
  other.kill('SIGKILL');
  await other.exited;
});

test('within() is inside for the time of the function, and home again after whatever happened in it', () => {
  const { id } = createNetns(path);
  run('ip', 'link', 'add', 'outside0', 'type', 'veth', 'peer', 'inside0', 'netns', 'host-test');
  expect(within(path, interfaces)).toEqual(expect.arrayContaining(['lo', 'inside0']));
  expect(interfaces()).toContain('outside0');
  expect(interfaces()).not.toContain('inside0');
  expect(within(path, () => netnsId('/proc/thread-self/ns/net'))).toEqual(id);
  expect(within(path, () => within('/proc/1/ns/net', interfaces))).toContain('outside0');

  const fail = () => {
    throw new Error('inside');
  };
  expect(() => within(path, fail)).toThrow('inside');
  // @ts-expect-error: an asynchronous function is refused by the type, and at run time
  expect(() => within(path, async () => 1)).toThrow('within() is for synchronous work');
  expect(() => within('/nowhere', () => 1)).toThrow('open /nowhere: No such file or directory (ENOENT)');
  expect(() => within('/etc/passwd', () => 1)).toThrow('setns /etc/passwd: Invalid argument (EINVAL)');
  expect(() => within('/proc/self/ns/mnt', () => 1)).toThrow('(EINVAL)');
  expect(netnsId('/proc/thread-self/ns/net')).toEqual(home);
});

test('kernel parameters are those of the namespace that the thread is in', () => {
  const outside = (name: string) => run('sysctl', '--values', name).trim();
  const inside = (name: string) => run('ip', 'netns', 'exec', 'host-test', 'sysctl', '--values', name).trim();
  for (const name of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) {
    writeSysctl(name, 1);
    createNetns(path);
    within(path, () => writeSysctl(name, 1));
    expect(inside(name)).toBe('1');
    within(path, () => writeSysctl(name, 0));
    expect(within(path, () => readSysctl(name))).toBe('0');
    expect(inside(name)).toBe('0');
    expect(outside(name)).toBe('1');
    expect(readSysctl(name)).toBe('1');
    deleteNetns(path);
  }
});

test('fifty rounds leave no descriptor, mount or namespace behind', () => {
  const descriptors = () => readdirSync('/proc/self/fd').length;
  const mounted = () => readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length;
  const [open, there] = [descriptors(), mounted()];
  for (let round = 0; round < 50; round++) {
    createNetns(path);
    within(path, () => writeSysctl('net.ipv4.ip_forward', 0));
    deleteNetns(path);
  }
  // What Bun opens for itself comes and goes.
  expect(descriptors()).toBeLessThan(open + 25);
  expect(mounted()).toBe(there);
});
