import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { errnoName, errnoOf, hasCode, SystemError } from '../../../src/host/errno.ts';
import { asSystemError, checked, cstring, errnoText, libc, systemError } from '../../../src/host/libc.ts';

test('the table agrees with the operating system on every number that it knows', () => {
  const known = Object.entries(constants.errno);
  expect(known.length).toBeGreaterThan(70);
  for (const [name, number] of known) {
    // Two names of one number: the table has the one that errno(3) prefers.
    const aliases: Record<string, string> = { EWOULDBLOCK: 'EAGAIN', ENOTSUP: 'EOPNOTSUPP', EDEADLOCK: 'EDEADLK' };
    expect(errnoName(number)).toBe(aliases[name] ?? name);
  }
});

test('a number without a name, a name without a number', () => {
  expect(errnoName(41)).toBe('E41');
  expect(errnoName(4095)).toBe('E4095');
  expect(() => errnoOf('-')).toThrow(RangeError);
  expect(() => errnoOf('ENOSUCH')).toThrow('no such errno: ENOSUCH');
  expect(errnoOf('EHWPOISON')).toBe(133);
});

test('a failed call carries number, name, call, subject and the text of the kernel', () => {
  const open = (path: string) => checked('open', libc().open(cstring(path), 0, 0), path);
  let caught: unknown;
  try {
    open('/nowhere/at/all');
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(SystemError);
  expect(caught).toMatchObject({
    errno: 2,
    code: 'ENOENT',
    syscall: 'open',
    message: 'open /nowhere/at/all: No such file or directory (ENOENT)',
  });
  expect(errnoText(34)).toBe('Numerical result out of range');
  expect(systemError('netlink', 17).message).toBe('netlink: File exists (EEXIST)');
});

test("an error of node:fs becomes one in the kernel's words, anything else stays what it is", () => {
  const other = new Error('other');
  expect(asSystemError(other, 'x')).toBe(other);
  expect(asSystemError('text', 'x')).toBe('text');
  try {
    readFileSync('/proc/self');
  } catch (error) {
    expect(asSystemError(error, '/proc/self')).toMatchObject({
      errno: 21,
      code: 'EISDIR',
      message: 'read /proc/self: Is a directory (EISDIR)',
    });
    expect(hasCode(error, 'ENOENT', 'EISDIR')).toBe(true);
    expect(hasCode(error, 'ENOENT')).toBe(false);
  }
  expect(hasCode({ code: 'ENOENT' }, 'ENOENT')).toBe(false);
  expect.assertions(6);
});

test('a string with a NUL in it never reaches the kernel, where it would end there', () => {
  expect(() => cstring('/run/netns/a\0b')).toThrow(RangeError);
  expect(cstring('ä').toString('latin1')).toBe('\u00c3\u00a4\0');
});
