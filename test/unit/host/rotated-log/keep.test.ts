/** On a file system that can take the beginning out of a file (ext4, where /tmp is on a disk), and on one that leaves a hole there (tmpfs). */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeKeeper, thinned } from '../../../../src/host/rotated-log/keep.ts';
import { openIndex } from '../../../../src/host/rotated-log/log-index.ts';
import { piecesOf } from '../../../../src/host/rotated-log/pieces.ts';
import { endOfLog, openLog } from '../../../../src/host/rotated-log/read.ts';

const KIB = 1024;

async function all(path: string): Promise<string> {
  const parts: Buffer[] = [];
  using log = openLog(path, {});
  await log?.pull(async bytes => parts.push(Buffer.from(bytes)) > 0);
  return Buffer.concat(parts).toString();
}

describe.each([tmpdir(), '/dev/shm'])('in %s', where => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(where, 'kuke-keep-'));
    path = join(folder, 'main.log');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('what is too large goes into pieces, of which the oldest go; what is left takes no more room', async () => {
    const keeper = makeKeeper(path);
    const line = (number: number) => `${String(number).padStart(9, '0')} ${'z'.repeat(89)}\n`;
    let number = 0;
    for (let round = 0; round < 40; round++) {
      const lines: string[] = [];
      for (let one = 0; one < 500; one++) lines.push(line(number++));
      appendFileSync(path, lines.join(''));
      await keeper.keep({ maxSize: 128 * KIB, maxFiles: 3 });
    }
    const text = await all(path);
    expect(text.endsWith(line(number - 1))).toBe(true);
    const whole = text.slice(text.indexOf('\n') + 1);
    const first = Number(whole.slice(0, 9));
    expect(whole).toBe(Array.from({ length: number - first }, (_, index) => line(first + index)).join(''));
    expect(text.length).toBeGreaterThan(128 * KIB);
    const pieces = piecesOf(path);
    expect(pieces).toHaveLength(2);
    expect(pieces.map(({ start, end }) => end - start <= 128 * KIB)).toEqual([true, true]);
    expect(readdirSync(folder)).toHaveLength(4); // and the index
    expect(statSync(path).blocks * 512).toBeLessThan(200 * KIB);
    expect(endOfLog(path)).toBe(number * 100);
  });

  test('what came while nobody kept it is rotated at once, and no more of it copied than is kept', async () => {
    writeFileSync(path, Buffer.alloc(5 << 20, 'w'));
    await makeKeeper(path).keep({ maxSize: 256 * KIB, maxFiles: 3 });
    expect(piecesOf(path).map(({ start, end }) => end - start)).toEqual([256 * KIB, 256 * KIB]);
    const left = await all(path);
    expect(left).toBe('w'.repeat(left.length));
    expect(left.length).toBeGreaterThan(500 * KIB);
    await makeKeeper(path).keep({ maxSize: 64 * KIB, maxFiles: 1 });
    appendFileSync(path, Buffer.alloc(70 * KIB, 'v'));
    await makeKeeper(path).keep({ maxSize: 64 * KIB, maxFiles: 1 });
    expect(piecesOf(path)).toEqual([]);
    expect(await all(path)).toMatch(/^v{1,4096}$/);
  });

  test('while it is written as fast as can be, and whoever keeps it is killed at any moment, no byte is lost or comes twice', async () => {
    const lines = 60_000;
    const write = `
      const { openSync, writeSync } = require('node:fs');
      const fd = openSync(${JSON.stringify(path)}, 'a');
      for (let n = 0; n < ${lines}; n += 20) {
        let text = '';
        for (let k = n; k < n + 20; k++) text += String(k).padStart(9, '0') + ' ' + 'q'.repeat(k % 150) + '\\n';
        writeSync(fd, text);
      }`;
    const keep = `
      const { makeKeeper } = await import(${JSON.stringify(join(import.meta.dir, '../../../../src/host/rotated-log/keep.ts'))});
      const keeper = makeKeeper(${JSON.stringify(path)});
      console.log('begins');
      for (;;) await keeper.keep({ maxSize: 64 * 1024, maxFiles: 1000 });`;
    writeFileSync(path, '');
    const writer = Bun.spawn([process.execPath, '-e', write]);
    let isWritten = false;
    const written = writer.exited.then(code => {
      isWritten = true;
      return code;
    });
    // A reader that follows sees each line once, too.
    const followed: Buffer[] = [];
    using follower = openLog(path, {});
    const pull = () => follower?.pull(async bytes => followed.push(Buffer.from(bytes)) > 0);
    for (let kill = 0; kill < 25 || !isWritten; kill++) {
      const keeper = Bun.spawn([process.execPath, '-e', keep], { stdout: 'pipe' });
      for await (const _ of keeper.stdout) break;
      await Promise.all([Bun.sleep(Math.random() * 10), pull()]);
      keeper.kill('SIGKILL');
      await keeper.exited;
      await pull();
    }
    expect(await written).toBe(0);
    await makeKeeper(path).keep({ maxSize: 64 * KIB, maxFiles: 1000 });
    await pull();
    const wanted = Array.from({ length: lines }, (_, k) => `${String(k).padStart(9, '0')} ${'q'.repeat(k % 150)}\n`);
    // Not by toBe: of megabytes, nobody reads the difference.
    expect((await all(path)) === wanted.join('')).toBe(true);
    expect(Buffer.concat(followed).toString() === wanted.join('')).toBe(true);
    expect(piecesOf(path).length).toBeGreaterThan(10);
  }, 60_000);

  test('an index that was cut off, or has nonsense in it, is gone on with', async () => {
    writeFileSync(path, 'one\n');
    writeFileSync(`${path}.index`, '{"size":4,"at":"2026-01-01T00:00:00.000Z"}\nnonsense\n[1]\n{"size":"x"}\n{"si');
    const keeper = makeKeeper(path);
    await keeper.keep({ maxSize: 64 * KIB, maxFiles: 2 });
    appendFileSync(path, 'two\n');
    await keeper.keep({ maxSize: 64 * KIB, maxFiles: 2 });
    expect(openIndex(path).notes.map(({ size }) => size)).toEqual([4, 8]);
    expect(await all(path)).toBe('one\ntwo\n');
  });
});

test('an index stays small: what is long ago is known less exactly, starts are kept', () => {
  const notes = Array.from({ length: 1000 }, (_, size) => ({ size, at: size, isStart: size === 301 || size === 3 }));
  const kept = thinned(notes, 100).map(({ size }) => size);
  expect(kept).toContain(3); // one of the last two starts
  expect(kept).toContain(301);
  expect(kept.filter(size => size < 100 && size !== 3)).toEqual([]);
  expect(kept.filter(size => size >= 500)).toHaveLength(500);
  expect(kept.filter(size => size >= 100 && size < 500)).toHaveLength(201);
});

test('beginning the index anew loses nothing that somebody else writes to it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kuke-index-'));
  try {
    const path = join(folder, 'main.log');
    const [ours, theirs] = [openIndex(path), openIndex(path)];
    ours.mark({ base: 5, gone: 7, isCollapsing: false });
    for (let size = 10; size < 20; size++) ours.note({ size, at: size, isStart: false });
    theirs.note({ size: 20, at: 20, isStart: true });
    ours.replace([
      { size: 19, at: 19, isStart: false },
      { size: 20, at: 20, isStart: true },
    ]);
    theirs.note({ size: 21, at: 21, isStart: false });
    for (const index of [ours, theirs]) {
      index.refresh();
      expect(index.marks).toEqual({ base: 5, gone: 7, isCollapsing: false });
      expect(index.notes.map(({ size }) => size)).toEqual([19, 20, 21]);
    }
    expect(readFileSync(`${path}.index`, 'utf8').split('\n')[1]).toBe('{"size":19,"at":"1970-01-01T00:00:00.019Z"}');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
