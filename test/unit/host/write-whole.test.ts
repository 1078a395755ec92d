import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openIndex } from '../../../src/host/rotated-log/log-index.ts';

const folder = mkdtempSync(join(tmpdir(), 'kuke-whole-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const source = (name: string) => JSON.stringify(join(import.meta.dir, '../../../src/host', name));

/** Of one that has room for so many bytes in a file (setrlimit(2), RLIMIT_FSIZE), as on a disk that is about to be full. */
function saidWith(room: number, script: string): string {
  const command = 'trap "" XFSZ; exec prlimit --fsize="$0" "$1" -e "$2"';
  const said = `try { ${script} } catch ({ code }) { console.log(code) }`;
  const { stdout, stderr } = Bun.spawnSync(['sh', '-c', command, String(room), process.execPath, said]);
  return `${stdout}${stderr}`.trim();
}

test('what has been taken in part has failed', () => {
  const file = join(folder, 'file');
  const write = `
    const { openSync } = await import('node:fs');
    const { writeWhole } = await import(${source('write-whole.ts')});
    writeWhole(openSync(${JSON.stringify(file)}, 'w'), 'ä'.repeat(1000));
    console.log('all');`;
  expect(saidWith(2000, write)).toBe('all');
  expect(saidWith(1999, write)).toBe('EFBIG');
  expect(statSync(file).size).toBe(1999);
});

test('a log of which its index cannot say what is gone keeps it', () => {
  const log = join(folder, 'main.log');
  writeFileSync(`${log}.index`, `${JSON.stringify({ base: 0, gone: 0 })}\n`);
  const mark = `
    const { openIndex } = await import(${source('rotated-log/log-index.ts')});
    openIndex(${JSON.stringify(log)}).mark({ base: 0, gone: 4096, isCollapsing: false });`;
  expect(saidWith(32, mark)).toBe('EFBIG');
  expect(openIndex(log).marks).toEqual({ base: 0, gone: 0, isCollapsing: false });
});
