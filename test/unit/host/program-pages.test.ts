import { expect, test } from 'bun:test';
import { join } from 'node:path';

/** What a process counts as mapped from files, in kB, before and after; then it runs what it has run before, and loads something new. */
const PROGRAM = `
import { readFileSync } from 'node:fs';
import { letGoOfProgram } from '${join(import.meta.dir, '../../../src/host/program-pages.ts')}';
const mapped = () => Number(/RssFile:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
mapped();
const before = mapped();
letGoOfProgram();
const after = mapped();
Bun.gc(true);
const { createHash } = await import('node:crypto');
const digest = createHash('sha256').update('abc').digest('hex');
console.log(JSON.stringify({ before, after, digest }));
`;

test('a process lets go of what is mapped of its program, and runs on', async () => {
  const child = Bun.spawn([process.execPath, '-e', PROGRAM], { stdout: 'pipe', stderr: 'inherit' });
  const { before, after, digest } = await child.stdout.json();
  expect(await child.exited).toBe(0);
  expect(after).toBeLessThan(before / 2);
  expect(digest).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});
