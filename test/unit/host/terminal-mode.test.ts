import { expect, test } from 'bun:test';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { rawTerminal, terminalSize } from '../../../src/host/terminal-mode.ts';

const program = `
const { rawTerminal, terminalSize } = await import(${JSON.stringify(join(import.meta.dir, '../../../src/host/terminal-mode.ts'))});
const stty = () => Bun.spawnSync(['stty', '-a'], { stdin: 'inherit' }).stdout.toString().match(/-?(?:opost|isig|echo|icanon|onlcr)\\b/g).sort().join(' ');
const before = stty();
const restore = rawTerminal(0);
const raw = stty();
restore();
console.log(JSON.stringify({ before, raw, after: stty(), size: terminalSize(0) }));
`;

test('a terminal passes each byte as it is, until its modes are put back; it has a size', async () => {
  let shown = '';
  const data = (_: unknown, bytes: Uint8Array) => {
    shown += Buffer.from(bytes).toString();
  };
  const child = Bun.spawn([process.execPath, '-e', program], { terminal: { cols: 91, rows: 17, data } });
  expect(await child.exited).toBe(0);
  const { before, raw, after, size } = JSON.parse(shown.trim());
  expect(before).toBe('echo icanon isig onlcr opost');
  expect(raw).toBe('-echo -icanon -isig -opost onlcr');
  expect(after).toBe(before);
  expect(size).toEqual({ columns: 91, rows: 17 });
});

test('a process that ends in the middle leaves the terminal as it was', async () => {
  let shown = '';
  const data = (_: unknown, bytes: Uint8Array) => {
    shown += Buffer.from(bytes).toString();
  };
  const ends = program.replace('restore();', 'process.exit(7);');
  const script = `${JSON.stringify(process.execPath)} -e "$0"; stty -a`;
  const child = Bun.spawn(['sh', '-c', script, ends], { terminal: { cols: 91, rows: 17, data } });
  expect(await child.exited).toBe(0);
  expect(shown).toMatch(/[^-]isig.*[^-]icanon/s);
  expect(shown).toMatch(/[^-]opost/);
  expect(shown).toMatch(/[^-]echo /);
});

test('what is no terminal has neither', () => {
  const file = openSync('/dev/null', 'r');
  expect(() => rawTerminal(file)).toThrow('Inappropriate ioctl for device (ENOTTY)');
  expect(() => terminalSize(file)).toThrow('Inappropriate ioctl for device (ENOTTY)');
  closeSync(file);
});
