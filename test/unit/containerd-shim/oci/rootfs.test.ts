/** Images are hostile: their links point out of the root, into loops, at devices. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readInRoot, readSnapshotFiles } from '../../../../plugins/containerd-shim/oci/rootfs.ts';

let folder: string;
let root: number;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-rootfs-'));
  mkdirSync(join(folder, 'root/etc'), { recursive: true });
  writeFileSync(join(folder, 'secret'), 'of the host');
  writeFileSync(join(folder, 'root/etc/real'), 'of the image');
  root = openSync(join(folder, 'root'), constants.O_RDONLY | constants.O_DIRECTORY);
});
afterAll(() => {
  closeSync(root);
  rmSync(folder, { recursive: true });
});

const linked = (to: string) => {
  const path = join(folder, 'root/etc/passwd');
  rmSync(path, { force: true });
  symlinkSync(to, path);
  return readInRoot(root, '/etc/passwd');
};

describe('links in an image', () => {
  test('are resolved inside it', () => {
    expect(linked('real')).toBe('of the image');
    expect(linked('/etc/real')).toBe('of the image');
    expect(linked('../../../../etc/real')).toBe('of the image');
  });

  test('never lead to the host', () => {
    expect(linked(join(folder, 'secret'))).toBeUndefined();
    expect(linked('../../secret')).toBeUndefined();
    expect(linked('/proc/self/environ')).toBeUndefined();
  });

  test('in a loop, or to a directory, are no file', () => {
    expect(linked('passwd')).toBeUndefined();
    expect(() => linked('/etc')).toThrow(expect.objectContaining({ code: 'InvalidImage' }));
  });

  test('a directory that leads out is no way out either', () => {
    symlinkSync('../..', join(folder, 'root/out'));
    expect(readInRoot(root, '/out/secret')).toBeUndefined();
  });
});

test('a file of /proc, which may never end, is not read', () => {
  const host = openSync('/', constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    expect(readInRoot(host, '/proc/self/environ')).toBe('');
  } finally {
    closeSync(host);
  }
});

test('a FIFO is refused, and does not block', () => {
  Bun.spawnSync(['mkfifo', join(folder, 'root/etc/fifo')]);
  expect(() => readInRoot(root, '/etc/fifo')).toThrow('not a regular file');
});

test('absurd sizes are refused', () => {
  Bun.spawnSync(['truncate', '-s', '1T', join(folder, 'root/etc/huge')]);
  expect(() => readInRoot(root, '/etc/huge')).toThrow('has 1099511627776 bytes');
});

test('a snapshot that is one directory needs no mount', () => {
  const mounts = [{ type: 'bind', source: join(folder, 'root'), options: ['ro', 'rbind'] }];
  expect(readSnapshotFiles(mounts, '/nonexistent', ['/etc/real', '/etc/none'])).toEqual({
    '/etc/real': 'of the image',
    '/etc/none': undefined,
  });
});

test('more layers than mount(2) takes are refused, not cut short', () => {
  const lowerdir = Array(400).fill(join(folder, 'root')).join(':');
  const mounts = [{ type: 'overlay', source: 'overlay', options: [`lowerdir=${lowerdir}`] }];
  expect(() => readSnapshotFiles(mounts, '/nonexistent', ['/etc/real'])).toThrow('too many layers');
});
