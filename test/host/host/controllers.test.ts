import '../box.ts';
import { afterEach, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { cgroupRoot, descendant, isHierarchyRoot } from '../../../src/host/cgroupfs/cgroup.ts';
import { controllers, delegate } from '../../../src/host/cgroupfs/controllers.ts';
import { enter, kill, untilEmpty } from '../../../src/host/cgroupfs/processes.ts';
import { create, remove } from '../../../src/host/cgroupfs/tree.ts';

// A box offers hugetlb at most, a virtual machine everything: what is expected here is read from the host, not assumed.
const ALL = ['cpu', 'cpuset', 'memory', 'io', 'pids', 'hugetlb'];
const root = cgroupRoot('/sys/fs/cgroup');
const cgroup = descendant(root, 'test');
const leaf = descendant(cgroup, 'a', 'b');
const words = (path: string) => readFileSync(path, 'utf8').trim().split(' ').filter(Boolean);
const offered = words('/sys/fs/cgroup/cgroup.controllers').filter(controller => ALL.includes(controller));
const absent = ALL.filter(controller => !offered.includes(controller));

afterEach(async () => {
  await kill(cgroup);
  await untilEmpty(cgroup);
  remove(cgroup);
});

test('what the host has arrives at the bottom, at every level; what it lacks is named with the level where it ends', () => {
  create(leaf);
  const missing = delegate(leaf, [...ALL, 'nonsense', 'cpu']);
  const reason = 'not in /sys/fs/cgroup/cgroup.controllers';
  expect(missing).toEqual([...absent, 'nonsense'].map(controller => ({ controller, level: '/sys/fs/cgroup', reason })));
  for (const level of ['', '/test', '/test/a']) {
    expect(words(`/sys/fs/cgroup${level}/cgroup.subtree_control`)).toEqual(expect.arrayContaining(offered));
  }
  expect(controllers(leaf).sort()).toEqual(offered.toSorted());
  expect(delegate(leaf, ALL)).toHaveLength(absent.length); // again, with nothing left to do
});

test('a level that itself did not get a controller is the one that is named', () => {
  create(leaf);
  const [controller] = offered;
  const from = cgroupRoot(`${cgroup.path}/a`); // delegated from here down, but nobody has handed it anything
  expect(controllers(from)).toEqual([]);
  const wanted = controller ?? 'memory';
  const missing = { controller: wanted, level: from.path, reason: `not in ${from.path}/cgroup.controllers` };
  expect(delegate(descendant(from, 'b'), [wanted])).toEqual([missing]);
});

test('a level with processes of its own is refused, with their pids, and stays usable', async () => {
  create(leaf);
  const sleeper = Bun.spawn(['sleep', '1000'], { stdio: ['ignore', 'ignore', 'ignore'] });
  enter(cgroup, sleeper.pid);
  const refusal = `${cgroup.path} has processes of its own (${sleeper.pid})`;
  // The kernel takes `+cpu` and `+pids` here without a word and makes the cgroups below invalid.
  for (const controller of offered) expect(() => delegate(leaf, [controller])).toThrow(refusal);
  expect(readFileSync(`${leaf.path}/cgroup.type`, 'utf8')).toBe('domain\n');
  expect(words(`${cgroup.path}/cgroup.subtree_control`)).toEqual([]);
  expect(delegate(leaf, absent)).toHaveLength(absent.length); // nothing to hand down, nothing to refuse
  await kill(cgroup);
  await untilEmpty(cgroup);
  delegate(leaf, offered);
  expect(controllers(leaf).sort()).toEqual(offered.toSorted());
});

test('only the root of a real hierarchy may have processes', () => {
  create(cgroup);
  expect(isHierarchyRoot(cgroup)).toBe(false);
  expect(isHierarchyRoot(descendant(cgroup, 'none'))).toBe(false);
  expect(isHierarchyRoot(root)).toBe(!existsSync('/sys/fs/cgroup/cgroup.events'));
});
