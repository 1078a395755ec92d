import { expect, test } from 'bun:test';
import { cellFaults } from '../../../plugins/cell/schema.ts';
import { mountTarget, mountTargetFault } from '../../../src/kernel/mount-target.ts';

test.each([
  ['/data', undefined],
  ['//data/./x/', undefined],
  ['/dev/shm', undefined],
  ['/process', undefined],
  ['/proc/sys', 'nothing can be mounted at /proc/sys'],
  ['/dev/', 'nothing can be mounted at /dev'],
  ['data', 'must be an absolute path'],
  ['', 'must be an absolute path'],
  ['/a\0b', 'must be an absolute path'],
  ['/a/../b', 'must not lead upwards (`..`)'],
  ['/', 'nothing can be mounted at /'],
  ['/./', 'nothing can be mounted at /'],
  ['//proc', 'nothing can be mounted at /proc'],
])('%j: %s', (path, fault) => {
  expect(mountTargetFault(path)).toBe(fault);
});

test('all spellings of a path are one', () => {
  expect(['/a/b', '//a//b', '/a/b/', '/./a/b'].map(mountTarget)).toEqual(Array(4).fill('/a/b'));
});

test('a container has one mount at a place', () => {
  const volumes = [{ kind: 'tmpfs' as const, target: '/data' }];
  const faults = cellFaults({ containers: [{ id: 'a', image: 'x', volumes, tmpfs: [{ path: '//data/' }] }] });
  expect(faults).toEqual([
    {
      path: 'spec.containers[0].tmpfs[0].path',
      message: '/data is the place of spec.containers[0].volumes[0].target already',
    },
  ]);
});
