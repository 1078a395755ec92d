import { describe, expect, test } from 'bun:test';
import { containerDevices, deviceNumber } from '../../../../plugins/containerd-shim/oci/devices.ts';

const denyAll = { allow: false, access: 'rwm' };

describe('devices', () => {
  test('none but the runtime’s own unless named', () => {
    expect(containerDevices([], false)).toEqual({ devices: [], rules: [denyAll] });
  });

  test('a device comes with its number, mode and a rule', () => {
    const { devices, rules } = containerDevices(['/dev/full'], false);
    expect(devices).toMatchObject([{ path: '/dev/full', type: 'c', major: 1, minor: 7, uid: 0, gid: 0 }]);
    expect(rules).toEqual([denyAll, { allow: true, type: 'c', major: 1, minor: 7, access: 'rwm' }]);
  });

  test("Docker's long form gives another name and fewer rights", () => {
    const { devices, rules } = containerDevices(['/dev/zero:/dev/nothing:r', '/dev/full:rw'], false);
    expect(devices.map(({ path }) => path)).toEqual(['/dev/nothing', '/dev/full']);
    expect(rules.map(({ access }) => access)).toEqual(['rwm', 'r', 'rw']);
  });

  test('privileged: all of the host, and no filter', () => {
    const { devices, rules } = containerDevices([], true);
    const paths = devices.map(({ path }) => path);
    expect(paths).toContain('/dev/null');
    expect(paths.some(path => path.startsWith('/dev/pts/') || path === '/dev/ptmx')).toBe(false);
    expect(rules).toEqual([{ allow: true, access: 'rwm' }]);
  });

  test.each([
    ['/dev/nonexistent', 'NotFound', 'not on this host'],
    ['/etc/passwd', 'InvalidManifest', 'not a device'],
    ['/dev/null/x', 'NotFound', 'not on this host'],
    ['dev/null', 'InvalidManifest', 'absolute'],
    ['/dev/../etc', 'InvalidManifest', 'absolute'],
    ['/dev/null:/dev/x:rwx', 'InvalidManifest', 'HOST'],
    ['/dev/null:/dev/x:r:w', 'InvalidManifest', 'HOST'],
  ])('%s is refused', (device, code, words) => {
    expect(() => containerDevices([device], false)).toThrow(
      expect.objectContaining({
        code,
        message: expect.stringContaining(words),
        details: expect.objectContaining({ field: 'devices' }),
      }),
    );
  });

  test('large device numbers are taken apart as glibc does', () => {
    expect(deviceNumber(0x0103n)).toEqual({ major: 1, minor: 3 });
    // makedev(0x12345678, 0x9abcdef0)
    expect(deviceNumber(0x123459abcde678f0n)).toEqual({ major: 0x12345678, minor: 0x9abcdef0 });
  });
});
