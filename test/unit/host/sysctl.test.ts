import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { openSysctls, readSysctl, sysctlPath, writeSysctl } from '../../../src/host/sysctl.ts';

test('names as sysctl(8) writes them', () => {
  expect(sysctlPath('net.ipv4.ip_forward')).toBe('/proc/sys/net/ipv4/ip_forward');
  expect(sysctlPath('net/ipv4/conf/eth0.5/forwarding')).toBe('/proc/sys/net/ipv4/conf/eth0.5/forwarding');
});

test('no name leads out of /proc/sys', () => {
  const piece = fc.constantFrom('.', '/', '..', '../', 'net', 'ipv4', 'eth0.5', '\0', '');
  fc.assert(
    fc.property(
      fc.array(piece).map(pieces => pieces.join('')),
      name => {
        let path: string;
        try {
          path = sysctlPath(name);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          return;
        }
        expect(new URL(`file://${path}`).pathname).toBe(path); // already normal: no `.`, `..` or empty part to resolve
        expect(path).toMatch(/^\/proc\/sys\/[^/]/);
      },
    ),
  );
  for (const bad of ['', '.', '..', '../../etc/passwd', 'net/../../x', 'net//ipv4', '/etc/passwd', 'net.ipv4/x']) {
    expect(() => sysctlPath(bad)).toThrow(RangeError);
  }
});

test('a value is read without its newline; what is missing says so', () => {
  expect(readSysctl('kernel.ostype')).toBe('Linux');
  expect(readSysctl('kernel.random.boot_id')).toBe(
    readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, -1),
  );
  expect(() => readSysctl('net.ipv9.speed')).toThrow(
    'open /proc/sys/net/ipv9/speed: No such file or directory (ENOENT)',
  );
  expect(() => writeSysctl('net.ipv9.speed', 1)).toThrow(
    'open /proc/sys/net/ipv9/speed = 1: No such file or directory (ENOENT)',
  );
});

test('a folder is looked up once, and its parameters are those of /proc/sys', () => {
  using kernel = openSysctls('kernel.random');
  expect(kernel.read('boot_id')).toBe(readSysctl('kernel.random.boot_id'));
  expect(() => kernel.read('no-such')).toThrow('(ENOENT)');
  expect(() => kernel.write('no-such', 1)).toThrow('(ENOENT)');
  expect(() => openSysctls('net/ipv6/conf/no-such')).toThrow(
    'open /proc/sys/net/ipv6/conf/no-such: No such file or directory (ENOENT)',
  );
});
