import { expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  type Cgroup,
  cgroupRoot,
  descendant,
  interfacePath,
  isCgroupName,
  lineage,
} from '../../../src/host/cgroupfs/cgroup.ts';

const root: Cgroup = { root: '/sys/fs/cgroup', names: [], path: '/sys/fs/cgroup' };
const piece = fc.constantFrom('..', '.', '/', '\0', '\n', 'a', 'main', '_root', ' ', 'ä');
const name = fc.oneof(
  fc.string(),
  fc.array(piece).map(pieces => pieces.join('')),
);

test('no names lead out of the root, or to another depth than there are names', () => {
  fc.assert(
    fc.property(fc.array(name, { maxLength: 5 }), names => {
      if (!names.every(isCgroupName)) {
        expect(() => descendant(root, ...names)).toThrow(RangeError);
        return;
      }
      const { path } = descendant(root, ...names);
      expect(path.split('/')).toEqual(['', 'sys', 'fs', 'cgroup', ...names]);
      expect(path.split('/').filter(part => part === '..' || part === '.')).toEqual([]);
    }),
  );
  for (const bad of ['', '.', '..', 'a/b', '/', '../x', 'a\0', 'a\n', 'ä'.repeat(128)])
    expect(isCgroupName(bad)).toBe(false);
  for (const good of ['a', '...', 'web_root', 'ä'.repeat(127), ' ', '-']) expect(isCgroupName(good)).toBe(true);
});

test('the lineage goes from the root down to the cgroup, a name at a time', () => {
  const cgroup = descendant(descendant(root, 'kukeon'), 'main', 'default');
  expect(lineage(cgroup).map(level => level.path.slice(root.path.length))).toEqual([
    '',
    '/kukeon',
    '/kukeon/main',
    '/kukeon/main/default',
  ]);
  expect(lineage(cgroup).at(-1)).toEqual(cgroup);
  expect(lineage(root)).toEqual([root]);
});

test('an interface file is a file of the cgroup itself', () => {
  expect(interfacePath(root, 'hugetlb.2MB.max')).toBe('/sys/fs/cgroup/hugetlb.2MB.max');
  for (const bad of [
    '',
    'tasks',
    '.',
    '..',
    '../x.y',
    'a/memory.max',
    'memory.max\0',
    'memory..max',
    'memory.',
    '.max',
    'memory.max\n',
  ]) {
    expect(() => interfacePath(root, bad)).toThrow(RangeError);
  }
});

test('a directory that is not on cgroup2 is no root', () => {
  expect(() => cgroupRoot('/tmp')).toThrow('/tmp is not on a cgroup2 file system');
  expect(() => cgroupRoot('/nowhere')).toThrow('/nowhere: No such file or directory (ENOENT)');
});
