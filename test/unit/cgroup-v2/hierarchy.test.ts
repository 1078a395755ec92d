import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { cgroupAt, parentOf, pathOf, unifiedRoot, v1Hierarchies } from '../../../plugins/cgroup-v2/hierarchy.ts';
import type { Cgroup } from '../../../src/host/cgroupfs/cgroup.ts';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';
import { KukeError } from '../../../src/kernel/errors.ts';
import { HYBRID, PURE, V1_ONLY } from './mount-tables.ts';

const root: Cgroup = { root: '/sys/fs/cgroup', names: [], path: '/sys/fs/cgroup' };

function thrownBy(run: () => unknown): KukeError {
  try {
    run();
  } catch (error) {
    if (error instanceof KukeError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('the cgroup that a path means', () => {
  test('lies below the root, level by level', () => {
    const cell = cgroupAt(root, '/kukeon/main/default/blog/web');
    expect(cell.path).toBe('/sys/fs/cgroup/kukeon/main/default/blog/web');
    expect(pathOf(cell)).toBe('/kukeon/main/default/blog/web');
    expect(pathOf(parentOf(cell))).toBe('/kukeon/main/default/blog');
    expect(parentOf(cgroupAt(root, '/kukeon'))).toEqual(root);
    expect(parentOf(root)).toEqual(root);
  });

  test('never lies outside /kukeon, whatever the path', () => {
    const component = fc.oneof(fc.constantFrom('', '.', '..', 'kukeon', 'a\0', 'a\n'), fc.string({ maxLength: 300 }));
    fc.assert(
      fc.property(fc.array(component), components => {
        const path = components.join('/');
        let cgroup: Cgroup;
        try {
          cgroup = cgroupAt(root, path);
        } catch (error) {
          return error instanceof KukeError && error.code === 'Internal';
        }
        return (
          `${cgroup.path}/`.startsWith('/sys/fs/cgroup/kukeon/') && pathOf(cgroup) === path && !path.includes('/../')
        );
      }),
    );
  });
});

describe('the mount table', () => {
  test('names every v1 hierarchy once, at the mount that shows the whole of it', () => {
    expect(v1Hierarchies(parseMountinfo(HYBRID)).map(({ mountPoint }) => mountPoint)).toEqual([
      '/sys/fs/cgroup/cpu,cpuacct',
      '/sys/fs/cgroup/memory',
      '/sys/fs/cgroup/systemd',
    ]);
    expect(v1Hierarchies(parseMountinfo(PURE))).toEqual([]);
  });

  test.each([
    ['', 'mkdir -p /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup'],
    [V1_ONLY, 'mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified'],
  ])('without cgroup2 the host is not ready, and the remedy is a command', (text, command) => {
    const error = thrownBy(() => unifiedRoot(parseMountinfo(text)));
    expect([error.code, error.exitCode, error.remedy]).toEqual(['HostNotReady', 5, `mount it: ${command}`]);
  });
});
