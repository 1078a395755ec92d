import { afterEach, beforeEach, expect, test } from 'bun:test';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeLogWatch } from '../../../src/daemon/logs/log-watch.ts';
import { openIndex } from '../../../src/host/rotated-log/log-index.ts';
import { piecesOf } from '../../../src/host/rotated-log/pieces.ts';
import { eventually } from '../../suites/contract.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-log-watch-'));
  path = join(folder, 'main.log');
});
afterEach(() => rmSync(folder, { recursive: true }));

const rotation = { maxSize: 64 * 1024, maxFiles: 2 };
const noted = (size: number) =>
  eventually(async () => (openIndex(path).notes.at(-1)?.size === size ? true : undefined));

test('notes what is written, again and again, and rotates; not any more once it is stopped', async () => {
  const failures: unknown[] = [];
  const watch = makeLogWatch((_, thrown) => failures.push(thrown), 10);
  watch.set(new Map([[path, rotation]])); // it is not there yet
  writeFileSync(path, 'one\n');
  watch.set(new Map([[path, rotation]]));
  await noted(4);
  for (let size = 5; size < 15; size++) {
    await Bun.sleep(size * 3);
    appendFileSync(path, 'x');
    await noted(size);
  }
  appendFileSync(path, 'y'.repeat(100_000));
  await eventually(async () => (piecesOf(path).length === 1 ? true : undefined));
  await noted(100_014);
  await watch.stop();
  appendFileSync(path, 'z');
  await Bun.sleep(100);
  expect(openIndex(path).notes.at(-1)?.size).toBe(100_014);
  expect(failures).toEqual([]);
});

test('is told of other limits, and of logs that are nobody’s any more', async () => {
  const watch = makeLogWatch(() => {}, 10);
  writeFileSync(path, 'y'.repeat(100_000));
  watch.set(new Map([[path, { maxSize: 1 << 20, maxFiles: 2 }]]));
  await noted(100_000);
  expect(piecesOf(path)).toEqual([]);
  watch.set(new Map([[path, rotation]]));
  await eventually(async () => (piecesOf(path).length === 1 ? true : undefined));
  watch.set(new Map());
  appendFileSync(path, 'z');
  await Bun.sleep(100);
  expect(openIndex(path).notes.at(-1)?.size).toBe(100_000);
  await watch.stop();
});

test('a log that cannot be kept is told of, and the others are kept', async () => {
  const failures: string[] = [];
  const watch = makeLogWatch(failed => failures.push(failed), 10);
  const other = join(folder, 'other.log');
  writeFileSync(other, 'x');
  writeFileSync(path, 'x');
  mkdirSync(`${other}.index`);
  watch.set(
    new Map([
      [other, rotation],
      [path, rotation],
    ]),
  );
  await noted(1);
  await eventually(async () => (failures.includes(other) ? true : undefined));
  await watch.stop();
});
