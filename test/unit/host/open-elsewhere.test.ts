import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { descriptorsOf, makeAppend } from '../../../src/host/open-elsewhere.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-open-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

test('what another process writes into a file that it has open goes to the end from then on, whatever path is meant', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, 'before\n');
  symlinkSync(folder, join(folder, 'link'));
  const named = join(folder, 'link', 'file');
  const program = Bun.spawn(['sh', '-c', 'exec 3<> "$0"; echo open; read line; echo "$line" >&3', file], {
    stdin: 'pipe',
    stdout: 'pipe',
  });
  await program.stdout.getReader().read();
  expect(descriptorsOf(program.pid, named)).toEqual([3]);
  makeAppend(program.pid, named);
  program.stdin.write('after\n');
  program.stdin.end();
  await program.exited;
  expect(readFileSync(file, 'utf8')).toBe('before\nafter\n');
});

test('a file that it has not open for writing, and a process that has gone', async () => {
  const file = join(folder, 'read');
  writeFileSync(file, '');
  const program = Bun.spawn(['sh', '-c', 'exec 3< "$0"; echo open; read line', file], {
    stdin: 'pipe',
    stdout: 'pipe',
  });
  await program.stdout.getReader().read();
  expect(descriptorsOf(program.pid, file)).toEqual([3]);
  expect(() => makeAppend(program.pid, file)).toThrow('(ENOENT)');
  expect(descriptorsOf(program.pid, join(folder, 'nothing'))).toEqual([]);
  program.stdin.end();
  await program.exited;
  expect(descriptorsOf(program.pid, file)).toEqual([]);
  expect(() => makeAppend(program.pid, file)).toThrow('(ENOENT)');
});
