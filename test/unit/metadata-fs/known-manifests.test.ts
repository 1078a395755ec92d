import { afterAll, afterEach, beforeEach, expect, setSystemTime, test } from 'bun:test';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { knownManifest } from '../../../plugins/metadata-fs/known-manifests.ts';
import { listManifests, listSome } from '../../../plugins/metadata-fs/list.ts';

const top = mkdtempSync(join(tmpdir(), 'kuke-known-'));
afterAll(() => rmSync(top, { recursive: true, force: true }));

const text = (size: number) =>
  `apiVersion: v1beta1\nkind: Realm\nmetadata:\n  name: main\nspec:\n  size: ${size}\nstatus:\n  seen: [1]\n`;

let count = 0;
let root: string;
let path: string;
beforeEach(() => {
  root = join(top, String(++count));
  mkdirSync(join(root, 'main'), { recursive: true });
  path = join(root, 'main/realm.yaml');
  writeFileSync(path, text(1));
});
afterEach(() => void setSystemTime());

/** What is there now has been so for long. */
const later = () => void setSystemTime(Date.now() + 60_000);

const read = async () => {
  const { resources, problems } = await listManifests(root);
  expect(problems).toEqual([]);
  const [first] = resources;
  if (first === undefined) throw new Error('none');
  return first.manifest;
};

test('a manifest is read again only when its file has changed, and nobody can change what others are given, too', async () => {
  later();
  const before = await read();
  expect(before.spec).toEqual({ size: 1 });
  expect(await read()).toBe(before);
  expect((await listSome(root, [{ kind: 'Realm', path: ['main'] }])).resources[0]?.manifest).toBe(before);
  expect(Object.isFrozen(before.spec) && Object.isFrozen(before.status?.seen)).toBe(true);
  setSystemTime();
  writeFileSync(path, text(2)); // of the same size
  expect((await read()).spec).toEqual({ size: 2 });
  later();
  const second = await read();
  expect(await read()).toBe(second);
  writeFileSync(`${path}.new`, text(3));
  renameSync(`${path}.new`, path);
  expect((await read()).spec).toEqual({ size: 3 });
  rmSync(path);
  expect((await listManifests(root)).resources).toEqual([]);
});

test('one that has just been written is not relied upon: the next change may have the same time', async () => {
  const before = await read();
  expect(await read()).not.toBe(before);
  expect(await read()).toEqual(before);
});

test('what is no manifest is read each time, and a link that takes its place is not followed', async () => {
  later();
  let reads = 0;
  const broken = async () => {
    reads++;
    return { problem: 'none' };
  };
  for (let time = 0; time < 2; time++) expect(await knownManifest(path, broken)).toEqual({ problem: 'none' });
  expect(reads).toBe(2);
  await read();
  renameSync(path, join(root, 'elsewhere'));
  symlinkSync('../elsewhere', path);
  expect((await listManifests(root)).problems.map(({ message }) => message)).toContain(
    'is a symbolic link, which is not followed',
  );
});
