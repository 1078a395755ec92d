import '../box.ts';
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { getXattr, removeXattr, setXattr } from '../../../src/host/xattr.ts';
import { xattr } from '../observe/xattr.ts';

const cgroup = '/sys/fs/cgroup/attributes';
const file = '/tmp/attributes';

beforeEach(() => {
  mkdirSync(cgroup);
  writeFileSync(file, '');
});
afterEach(() => {
  rmdirSync(cgroup);
  rmSync(file);
});

test.each([
  [cgroup, 'trusted.kuke.test'],
  [cgroup, 'user.kuke.test'],
  ['/sys/fs/cgroup', 'trusted.kuke.test'],
  [file, 'trusted.kuke.test'],
])('%s takes %s, replaces its value, and loses it again', async (path, name) => {
  expect(getXattr(path, name)).toBeUndefined();
  setXattr(path, name, 'one');
  expect(await xattr(path, name)).toBe('one');
  setXattr(path, name, 'grün');
  expect([await xattr(path, name), getXattr(path, name)]).toEqual(['grün', 'grün']);
  expect(removeXattr(path, name)).toBe(true);
  expect([await xattr(path, name), getXattr(path, name)]).toEqual([undefined, undefined]);
  expect(removeXattr(path, name)).toBe(false);
});

test('values of any size that the kernel takes come back whole', () => {
  for (const length of [0, 1, 255, 256, 257, 3000]) {
    setXattr(file, 'trusted.kuke.test', 'x'.repeat(length));
    expect(getXattr(file, 'trusted.kuke.test')).toBe('x'.repeat(length));
  }
  expect(() => setXattr(file, 'trusted.kuke.test', 'x'.repeat(65_537))).toThrow('(E2BIG)');
});

test('failures are in the words of the kernel', () => {
  expect(() => getXattr('/tmp/absent', 'user.a')).toThrow(
    'getxattr /tmp/absent user.a: No such file or directory (ENOENT)',
  );
  expect(() => setXattr('/tmp/absent', 'user.a', 'b')).toThrow(
    'setxattr /tmp/absent user.a: No such file or directory (ENOENT)',
  );
  expect(() => removeXattr('/tmp/absent', 'user.a')).toThrow('removexattr /tmp/absent user.a');
  expect(() => setXattr(cgroup, 'nonsense.a', 'b')).toThrow('Operation not supported (EOPNOTSUPP)');
  expect(() => getXattr('/tmp/a\0b', 'user.a')).toThrow('NUL');
});

test('a symbolic link is not followed', () => {
  symlinkSync(file, '/tmp/attributes-link');
  setXattr(file, 'trusted.kuke.test', 'of the file');
  expect(getXattr('/tmp/attributes-link', 'trusted.kuke.test')).toBeUndefined();
  rmSync('/tmp/attributes-link');
});
