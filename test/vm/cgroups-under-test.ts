/** The cgroups of the virtual machine, made and limited by the backend under test, and read from their files; gone after each test. */
import { afterEach, expect } from 'bun:test';
import { readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import type { LimitObservation } from '../../src/kernel/backends/index.ts';
import type { Limits } from '../../src/kernel/limits/limits.ts';
import { backendOf, cleanUp, MOUNT, shellIn } from '../host/cgroup-v2/backend-under-test.ts';
import { context, eventually } from '../suites/contract.ts';

afterEach(cleanUp);

export const MI = 2 ** 20;
export const backend = backendOf();
export const main = '/kukeon/main';
export const cell = '/kukeon/main/default/blog/web';
export const create = async (...paths: string[]) => {
  for (const path of paths) await backend.create({ path }, context());
};
export const createCell = () => create('/kukeon', main, '/kukeon/main/default', '/kukeon/main/default/blog', cell);
export const leaf = (name: string, limits: Limits = {}, oomKills = 0) =>
  backend.leaf({ path: `${cell}/${name}`, limits, oomKills }, context());
export const limit = async (limits: Limits, path = main): Promise<string[]> => {
  const notes: string[] = [];
  await backend.limit({ path, limits }, { ...context(), note: message => notes.push(message) });
  return notes;
};
export const file = (name: string, path = main) => readFileSync(`${MOUNT}${path}/${name}`, 'utf8').trim();
export const write = (name: string, value: string, path = main) => writeFileSync(`${MOUNT}${path}/${name}`, value);
export const seen = async (limits: Limits, path = main) => backend.limits({ path, limits });
export const only = async (limits: Limits, path = main): Promise<Partial<LimitObservation>> => {
  const [one, ...more] = await seen(limits, path);
  expect(more).toEqual([]);
  return one ?? {};
};
export const numberOf = (disk: string) => readFileSync(`/sys/class/block/${disk}/dev`, 'utf8').trim();
export const [vda, vdb, vdc] = ['vda', 'vdb', 'vdc'].map(numberOf);

/** Holds so much memory, `there` once it has it. */
export const hog = (path: string, size: number) =>
  shellIn(path, `exec perl -e '$x = "x" x (${size} << 20); sleep 1000'`);
export const holds = (path: string, bytes: number) =>
  eventually(async () => Number(file('memory.current', path)) > bytes || undefined);
/** Its processes have ended, and it is removed. */
export const gone = (path: string) =>
  eventually(async () => file('cgroup.procs', path) === '' || undefined).then(() => rmdirSync(`${MOUNT}${path}`));
