import { expect, test } from 'bun:test';
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GrowingFile, openGrowing } from '../../../../src/kernel/event-sources/growing-file.ts';

async function inFolder(work: (path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'growing-'));
  try {
    await work(join(folder, 'file'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const pull = async (file: GrowingFile) => (await Array.fromAsync(file.pieces())).join('');

test('first all of it, then what has come since, a letter cut in two among it', () =>
  inFolder(async path => {
    writeFileSync(path, 'one\n');
    using file = openGrowing(path);
    expect([await pull(file), await pull(file)]).toEqual(['one\n', '']);
    const letter = Buffer.from('ü\n');
    appendFileSync(path, letter.subarray(0, 1));
    const before = await pull(file);
    appendFileSync(path, letter.subarray(1));
    expect(before + (await pull(file))).toBe('ü\n');
  }));

test('one that is not there yet, that is moved away, and begun anew', () =>
  inFolder(async path => {
    using file = openGrowing(path);
    expect(await pull(file)).toBe('');
    writeFileSync(path, 'a\n'.repeat(100_000));
    expect(await pull(file)).toHaveLength(200_000);
    renameSync(path, `${path}.1`);
    appendFileSync(`${path}.1`, 'late\n');
    expect(await pull(file)).toBe('late\n');
    writeFileSync(path, 'new\n');
    expect(await pull(file)).toBe('new\n');
  }));

test('one that is moved away while it is read is read to its end, and then the next', () =>
  inFolder(async path => {
    writeFileSync(path, 'a\n'.repeat(100_000));
    using file = openGrowing(path);
    let text = '';
    for await (const piece of file.pieces()) {
      if (text === '') {
        appendFileSync(path, 'late\n');
        renameSync(path, `${path}.1`);
        writeFileSync(path, 'new\n');
      }
      text += piece;
    }
    expect(text.slice(200_000)).toBe('late\nnew\n');
  }));
