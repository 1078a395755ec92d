/** Controllers that are handed down, kept back and taken back. */
import { expect, test } from 'bun:test';
import { mkdirSync, rmdirSync } from 'node:fs';
import { MOUNT, shellIn } from '../../host/cgroup-v2/backend-under-test.ts';
import { context } from '../../suites/contract.ts';
import { backend, cell, create, file, limit, MI, main, only, write } from '../cgroups-under-test.ts';

test('what the root handed down only for kuke’s sake is taken back with /kukeon, but not what others use', async () => {
  const handedDown = () => file('cgroup.subtree_control', '').split(' ').sort();
  // Other tests have removed theirs by hand.
  await create('/kukeon');
  await backend.remove({ path: '/kukeon' }, context());
  const before = handedDown();
  const added = ['hugetlb', 'misc', 'rdma'];
  expect(before.filter(name => added.includes(name))).toEqual([]);
  await create('/kukeon', main);
  // As runc does.
  for (const name of added) for (const path of ['', '/kukeon', main]) write('cgroup.subtree_control', `+${name}`, path);
  await backend.remove({ path: '/kukeon' }, context());
  expect(handedDown()).toEqual(before);
  for (const used of ['a setting', 'groups of its own']) {
    await create('/kukeon');
    mkdirSync(`${MOUNT}/others`);
    if (used === 'a setting') write('hugetlb.2MB.max', `${4 * MI}`, '/others');
    else write('cgroup.subtree_control', '+hugetlb', '/others');
    await backend.remove({ path: '/kukeon' }, context());
    expect(handedDown()).toEqual([...before, 'hugetlb'].sort());
    rmdirSync(`${MOUNT}/others`);
    write('cgroup.subtree_control', '-hugetlb', '');
  }
});

test('what a level in the middle keeps back: it is named, and those above are limited', async () => {
  await create('/kukeon', main);
  for (const name of file('cgroup.subtree_control').split(' ')) write('cgroup.subtree_control', `-${name}`);
  await shellIn(main);
  const why = `${MOUNT}${main} has processes of its own, so it does not hand down memory`;
  for (const path of ['/kukeon/main/default', cell]) {
    expect(await only({ 'memory.limit': 64 * MI }, path)).toMatchObject({ notEnforced: why, due: false });
  }
  await create('/kukeon/main/default');
  expect(await limit({ 'memory.limit': 64 * MI }, '/kukeon/main/default')).toEqual([]);
  await limit({ 'memory.limit': 64 * MI });
  expect(file('memory.max')).toBe(`${64 * MI}`);
});
