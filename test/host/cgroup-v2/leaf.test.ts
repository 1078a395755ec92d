/** The groups of containers: made before a runtime comes, or taken over from one. */
import { afterEach, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import type { Limits } from '../../../src/kernel/limits/limits.ts';
import { context, failure } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { xattr } from '../observe/xattr.ts';
import { backendOf, cleanUp, groups, INSTANCE, MOUNT, shellIn } from './backend-under-test.ts';

const MI = 2 ** 20;
const backend = backendOf();
const cell = '/kukeon/main/default/blog/web';
const createCell = async () => {
  for (const path of ['/kukeon', '/kukeon/main', '/kukeon/main/default', '/kukeon/main/default/blog', cell])
    await backend.create({ path }, context());
};
const limit = (limits: Limits, path: string, by = backend) => by.limit({ path, limits }, context());
const huge = (bytes: number): Limits => ({ hugepages: { '2Mi': bytes } });
const file = (name: string, path: string) => readFileSync(`${MOUNT}${path}/${name}`, 'utf8').trim();
const small = (path: string) => file('hugetlb.2MB.max', path);

afterEach(cleanUp);

test('a leaf that a runtime left behind is taken over; another installation’s, or what is mounted there, is not', async () => {
  await createCell();
  const leaf = `${cell}/web_root`;
  mkdirSync(MOUNT + leaf);
  await backend.leaf({ path: leaf, limits: huge(8 * MI), oomKills: 0 }, context());
  expect(small(leaf)).toBe(`${8 * MI}`);
  expect(await xattr(MOUNT + leaf, 'trusted.kukeon.instance')).toBe(INSTANCE);
  await failure(backendOf('another').leaf({ path: leaf, limits: {}, oomKills: 0 }, context()), 'Conflict');
  await failure(limit({}, leaf, backendOf('another')), 'Conflict');
  expect(small(leaf)).toBe(`${8 * MI}`);
  rmdirSync(MOUNT + leaf);
  mkdirSync(MOUNT + leaf);
  // One that runs in what an earlier kuke's runtime made is limited too.
  await shellIn(leaf);
  await limit(huge(4 * MI), leaf);
  expect(small(leaf)).toBe(`${4 * MI}`);
  const mounted = `${cell}/side`;
  mkdirSync(MOUNT + mounted);
  await output('mount', '-t', 'tmpfs', 'theirs', MOUNT + mounted);
  await failure(backend.leaf({ path: mounted, limits: {}, oomKills: 0 }, context()), 'Conflict');
  await output('umount', MOUNT + mounted);
});

test('a leaf hands nothing down, takes a process, and goes with the cell', async () => {
  await createCell();
  await backend.leaf({ path: `${cell}/web_root`, limits: huge(8 * MI), oomKills: 0 }, context());
  expect(file('cgroup.subtree_control', `${cell}/web_root`)).toBe('');
  await shellIn(`${cell}/web_root`);
  await backend.remove({ path: cell, leaves: ['web_root'] }, context());
  expect(groups(cell)).toEqual([]);
});
