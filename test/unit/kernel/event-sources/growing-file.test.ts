import { expect, test } from 'bun:test';
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openGrowing } from '../../../../src/kernel/event-sources/growing-file.ts';

function inFolder(work: (path: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'growing-'));
  try {
    work(join(folder, 'file'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('first all of it, then what has come since, a letter cut in two among it', () =>
  inFolder(path => {
    writeFileSync(path, 'one\n');
    using file = openGrowing(path);
    expect([file.pull(), file.pull()]).toEqual(['one\n', '']);
    const letter = Buffer.from('ü\n');
    appendFileSync(path, letter.subarray(0, 1));
    const before = file.pull();
    appendFileSync(path, letter.subarray(1));
    expect(before + file.pull()).toBe('ü\n');
  }));

test('one that is not there yet, that is moved away, and begun anew', () =>
  inFolder(path => {
    using file = openGrowing(path);
    expect(file.pull()).toBe('');
    writeFileSync(path, 'a\n'.repeat(100_000));
    expect(file.pull()).toHaveLength(200_000);
    renameSync(path, `${path}.1`);
    appendFileSync(`${path}.1`, 'late\n');
    expect(file.pull()).toBe('late\n');
    writeFileSync(path, 'new\n');
    expect(file.pull()).toBe('new\n');
  }));
