import { describe, expect, test } from 'bun:test';
import type { ContainerMount } from 'kuke/plugin';
import { containerMounts } from '../../../../plugins/containerd-shim/oci/mounts.ts';

const mounts = (wanted: ContainerMount[], privileged = false, kernel: readonly [number, number] = [6, 1]) =>
  containerMounts(wanted, { privileged, kernel });
const at = (target: string, wanted: ContainerMount[], ...rest: [boolean?, (readonly [number, number])?]) =>
  mounts(wanted, ...rest).filter(({ destination }) => destination === target);
const tmpfs = (target: string): ContainerMount => ({ kind: 'tmpfs', target });

describe('mounts', () => {
  test('the kernel’s file systems, /sys and the cgroups read-only', () => {
    expect(mounts([]).map(({ destination }) => destination)).toEqual([
      '/proc',
      '/dev',
      '/sys',
      '/dev/pts',
      '/dev/shm',
      '/dev/mqueue',
      '/sys/fs/cgroup',
    ]);
    expect(at('/dev/shm', [])[0]?.options).toContain('size=65536k');
    expect(at('/sys', [])[0]?.options).toContain('ro');
    expect(at('/sys', [], true)[0]?.options).toContain('rw');
    expect(at('/sys/fs/cgroup', [], true)[0]?.options).toContain('rw');
  });

  test('a bind takes what is mounted below it along, read-only all the way down where the kernel can', () => {
    const bind: ContainerMount = { kind: 'bind', source: '/etc', target: '/data', readOnly: true };
    expect(at('/data', [bind])).toEqual([
      { destination: '/data', type: 'bind', source: '/etc', options: ['rbind', 'rprivate', 'rro'] },
    ]);
    expect(at('/data', [bind], false, [5, 10])[0]?.options).toEqual(['rbind', 'rprivate', 'ro']);
    expect(at('/data', [{ ...bind, readOnly: false }])[0]?.options).toEqual(['rbind', 'rprivate', 'rw']);
  });

  test('a tmpfs has size and mode', () => {
    const options = at('/t', [{ ...tmpfs('/t'), sizeBytes: 4096, mode: '0700' }])[0]?.options;
    expect(options).toEqual(['rw', 'nosuid', 'nodev', 'noexec', 'mode=0700', 'size=4096']);
    expect(at('/t', [tmpfs('/t')])[0]?.options).toContain('mode=1777');
  });

  test('parents come before children, and one in the place of a default replaces it', () => {
    const wanted = mounts([tmpfs('/dev/shm/deep'), tmpfs('/a/b'), tmpfs('/a'), tmpfs('/dev/shm')]);
    const order = wanted.map(({ destination }) => destination);
    expect(order.indexOf('/a')).toBeLessThan(order.indexOf('/a/b'));
    expect(order.indexOf('/dev/shm')).toBeLessThan(order.indexOf('/dev/shm/deep'));
    expect(order.filter(target => target === '/dev/shm')).toHaveLength(1);
  });

  test.each(['data', '', '/', '/a/../..', '/a/..', '/proc', '//', '/x\0'])('target %j is refused', target => {
    expect(() => mounts([tmpfs(target)])).toThrow(
      expect.objectContaining({
        code: 'InvalidManifest',
        details: expect.objectContaining({ field: 'volumes.target' }),
      }),
    );
  });

  test('targets are compared without what means nothing in them', () => {
    expect(at('/a/b', [tmpfs('//a/./b/')])).toHaveLength(1);
    expect(() => mounts([tmpfs('/a/b'), tmpfs('/a//b/')])).toThrow('two mounts');
  });

  test('a missing source is an error that names both ends and the field', () => {
    const missing: ContainerMount = { kind: 'bind', source: '/nonexistent/x', target: '/data' };
    expect(() => mounts([missing])).toThrow(
      expect.objectContaining({
        code: 'NotFound',
        message: 'source /nonexistent/x of the volume at /data: is not there',
        details: expect.objectContaining({ field: 'volumes.source' }),
      }),
    );
    expect(() => mounts([{ ...missing, source: 'relative' }])).toThrow('not an absolute path');
    expect(() => mounts([{ kind: 'bind', target: '/data' }])).toThrow('not an absolute path');
  });

  test('a mode that is not octal is refused', () => {
    expect(() => mounts([{ ...tmpfs('/t'), mode: '9' }])).toThrow('mode 9 is not octal');
    expect(() => mounts([{ ...tmpfs('/t'), mode: '700,size=1' }])).toThrow('not octal');
  });
});
