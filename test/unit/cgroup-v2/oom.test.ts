/** Whose limit it was that a container was killed by: files as the kernel has them, in folders that are no cgroups. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noteLife, observeOom } from '../../../plugins/cgroup-v2/oom.ts';
import { descendant } from '../../../src/host/cgroupfs/cgroup.ts';

const MI = 2 ** 20;
const CELL = '/kukeon/main/default/blog/web';
const STACK = '/kukeon/main/default/blog';
const LEAF = `${CELL}/web_root`;
const SIDE = `${CELL}/side`;

let top: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'kuke-oom-'));
  for (const path of ['/kukeon', '/kukeon/main', '/kukeon/main/default', STACK, CELL, LEAF, SIDE]) {
    mkdirSync(top + path);
    group(path, {});
  }
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

/** Mi of memory.max and memory.peak. */
function group(path: string, { oom = 0, kills = 0, max = 0, peak = 0 }): void {
  writeFileSync(`${top}${path}/memory.events.local`, `oom ${oom}\noom_kill ${kills}\noom_group_kill 0\n`);
  writeFileSync(`${top}${path}/memory.max`, max === 0 ? 'max\n' : `${max * MI}\n`);
  writeFileSync(`${top}${path}/memory.peak`, `${peak * MI}\n`);
}

const at = (path: string) => descendant({ root: top, names: [], path: top }, ...path.slice(1).split('/'));
const born = (path: string, kills = 0) => noteLife(at(path), kills);
const last = (path: string) => observeOom(at(path))?.last;

describe('the limit that is told is the one that was hit', () => {
  beforeEach(() => {
    group(STACK, { max: 64 });
    born(LEAF);
    group(LEAF, { kills: 1, peak: 60 });
  });

  test.each([
    ['as it was and is', { max: 64, peak: 64 }, { path: STACK, limit: 64 * MI }],
    ['raised before', { max: 128, peak: 128 }, { path: STACK, limit: 128 * MI }],
    ['lowered before', { max: 16, peak: 51 }, { path: STACK, limit: 16 * MI }],
    ['raised afterwards', { max: 512, peak: 64 }, { path: STACK, limit: 64 * MI }],
    ['lifted afterwards', { peak: 64 }, { path: STACK, limit: 64 * MI }],
    ['changed twice, and nobody knows', { max: 512, peak: 90 }, { path: STACK }],
    ['none that was ever near', { max: 512, peak: 20 }, { path: STACK }],
  ])('%s', (_, stack, expected) => {
    group(STACK, { oom: 1, ...stack });
    expect(last(LEAF)).toEqual({ peak: 60 * MI, ...expected });
  });
});

test('what killed one beside it is not held against a survivor that ends later', () => {
  group(CELL, { max: 64, peak: 64 });
  group(STACK, { max: 100, peak: 100 });
  born(LEAF);
  born(SIDE, 2);
  group(CELL, { oom: 1, max: 64, peak: 64 });
  group(LEAF, { kills: 1, peak: 60 });
  expect([last(LEAF)?.path, observeOom(at(SIDE))]).toEqual([CELL, { kills: 2 }]);
  rmSync(`${top}${LEAF}`, { recursive: true });
  mkdirSync(top + LEAF);
  group(LEAF, {});
  born(LEAF, 1); // it is started again
  group(STACK, { oom: 1, max: 100, peak: 100 });
  group(SIDE, { kills: 1 });
  expect(observeOom(at(SIDE))).toMatchObject({ kills: 3, last: { path: STACK, limit: 100 * MI } });
  born(LEAF, 1);
  expect(observeOom(at(SIDE))).toMatchObject({ kills: 3, last: { path: STACK } });
  expect(observeOom(at(LEAF))).toEqual({ kills: 1 });
});
