/** The group that /kukeon lies in: it hands down what it did before kuke came, once that has gone. */
import { afterEach, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { context } from '../../suites/contract.ts';
import { xattr } from '../observe/xattr.ts';
import { backendOf, cleanUp, MOUNT } from './backend-under-test.ts';

const backend = backendOf();
const HANDED_DOWN = `${MOUNT}/cgroup.subtree_control`;
const handedDown = () => readFileSync(HANDED_DOWN, 'utf8').trim();
const remove = () => backend.remove({ path: '/kukeon' }, context());
const create = async (...paths: string[]) => {
  for (const path of paths) await backend.create({ path }, context());
};
const before = () => xattr(MOUNT, 'trusted.kukeon.before');

afterEach(async () => {
  await cleanUp();
  if (existsSync(`${MOUNT}/others`)) rmdirSync(`${MOUNT}/others`);
  writeFileSync(HANDED_DOWN, '+hugetlb');
});

test('what it handed down before, it goes on to hand down', async () => {
  expect(handedDown()).toContain('hugetlb');
  await create('/kukeon', '/kukeon/main');
  await remove();
  expect(handedDown()).toContain('hugetlb');
  expect(await before()).toBeUndefined();
});

test('what it hands down for kuke’s sake alone goes with /kukeon', async () => {
  writeFileSync(HANDED_DOWN, '-hugetlb');
  await create('/kukeon', '/kukeon/main', '/kukeon');
  expect(handedDown()).toContain('hugetlb');
  await backend.remove({ path: '/kukeon/main' }, context());
  expect(handedDown()).toContain('hugetlb');
  await remove();
  expect(handedDown()).not.toContain('hugetlb');
  // Removed by hand, and made again: what was before is what was before the first.
  await create('/kukeon');
  rmdirSync(`${MOUNT}/kukeon`);
  await create('/kukeon');
  await remove();
  expect(handedDown()).not.toContain('hugetlb');
  expect(await before()).toBeUndefined();
});

test.each([
  ['has set a limit', 'hugetlb.1GB.max', '0', true],
  ['hands it on', 'cgroup.subtree_control', '+hugetlb', true],
  ['has set something else', 'cgroup.max.depth', '9', false],
])('where another group %s', async (_, file, value, stays) => {
  writeFileSync(HANDED_DOWN, '-hugetlb');
  await create('/kukeon');
  mkdirSync(`${MOUNT}/others`);
  writeFileSync(`${MOUNT}/others/${file}`, value);
  await remove();
  expect(handedDown().includes('hugetlb')).toBe(stays);
});

test('a /kukeon that is not ours changes nothing of it', async () => {
  writeFileSync(HANDED_DOWN, '-hugetlb');
  await create('/kukeon');
  await backendOf('another').remove({ path: '/kukeon' }, context());
  expect(handedDown()).toContain('hugetlb');
});
