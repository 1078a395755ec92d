/** Block devices of this machine, as sysfs has them. */
import '../box.ts';
import { afterEach, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { blockDevice, blockDevicePath, ioSchedulers } from '../../../src/host/block-device.ts';
import { hasCode } from '../../../src/host/errno.ts';

const devices = readdirSync('/sys/class/block').filter(name => existsSync(`/dev/${name}`));
const links = ['/tmp/disk', '/tmp/again', '/tmp/nowhere', '/tmp/file'];
afterEach(() => {
  for (const link of links) rmSync(link, { force: true });
});

const code = (path: string) => {
  try {
    return blockDevice(path);
  } catch (error) {
    return ['ENOENT', 'ENOTBLK', 'ENOTDIR', 'ELOOP'].find(name => hasCode(error, name)) ?? error;
  }
};

test('every device has its number, its path, and its disk if it is a part of one', () => {
  expect(devices.length).toBeGreaterThan(0);
  for (const name of devices) {
    const number = readFileSync(`/sys/class/block/${name}/dev`, 'utf8').trim();
    const isPartition = existsSync(`/sys/class/block/${name}/partition`);
    const { disk, ...rest } = blockDevice(`/dev/${name}`);
    expect(rest).toEqual({ number });
    expect(disk !== undefined).toBe(isPartition);
    if (disk !== undefined) expect(`/dev/${name}`).toStartWith(disk);
    expect(blockDevicePath(number)).toBe(`/dev/${name}`);
  }
});

test('links are followed', () => {
  const [name = ''] = devices;
  symlinkSync(`/dev/${name}`, '/tmp/disk');
  symlinkSync('/tmp/disk', '/tmp/again');
  expect(blockDevice('/tmp/again')).toEqual(blockDevice(`/dev/${name}`));
});

test('what is none', () => {
  symlinkSync('/tmp/nowhere', '/tmp/nowhere');
  writeFileSync('/tmp/file', '');
  expect(['/dev/none', '/dev/null', '/tmp/file', '/tmp/file/x', '/tmp/nowhere', '/dev'].map(code)).toEqual([
    'ENOENT',
    'ENOTBLK',
    'ENOTBLK',
    'ENOTDIR',
    'ELOOP',
    'ENOTBLK',
  ]);
  expect(blockDevicePath('4095:1')).toBeUndefined();
});

test('a node of which the device is gone is none', () => {
  const made = Bun.spawnSync(['mknod', '/tmp/disk', 'b', '4000', '70000']);
  expect(made.exitCode).toBe(0);
  expect(() => blockDevice('/tmp/disk')).toThrow('stat /tmp/disk (4000:70000): No such file or directory (ENOENT)');
});

test('schedulers are those that are chosen', () => {
  const chosen = readdirSync('/sys/block').flatMap(name => {
    const file = `/sys/block/${name}/queue/scheduler`;
    return existsSync(file) ? (readFileSync(file, 'utf8').match(/\[(.*)\]/)?.[1] ?? []) : [];
  });
  expect([...ioSchedulers()].sort()).toEqual([...new Set(chosen)].sort());
});
