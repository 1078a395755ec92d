import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { offsetOfLast, openLog, type Start } from '../../../../src/cli/logs/log-file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-logs-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const path = (name: string) => join(folder, name);
const ALL: Start = { lines: Number.POSITIVE_INFINITY };

function reader(name: string, start: Start = ALL) {
  const log = openLog(path(name), start);
  return {
    [Symbol.dispose]: () => log[Symbol.dispose](),
    async read(): Promise<string> {
      let text = '';
      const isWanted = await log.pull(async bytes => {
        text += Buffer.from(bytes).toString();
        return true;
      });
      expect(isWanted).toBe(true);
      return text;
    },
    pull: log.pull,
  };
}

describe('the last lines', () => {
  test('are those of the text, however long they are and wherever they are cut', () => {
    const line = fc.oneof(fc.constant(''), fc.constant('x'.repeat(70_000)), fc.constant('é and more'));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fc.boolean(), fc.nat({ max: 8 }), (lines, hasEnd, count) => {
        const text = lines.map(one => `${one}\n`).join('') + (hasEnd ? '' : 'partial');
        writeFileSync(path('log'), text);
        const fd = openSync(path('log'), 'r');
        const offset = offsetOfLast(fd, statSync(path('log')).size, count);
        closeSync(fd);
        const parts = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
        expect(Buffer.from(text).subarray(offset).toString()).toBe(count === 0 ? '' : parts.slice(-count).join(''));
      }),
      { numRuns: 50 },
    );
  });
});

describe('a log', () => {
  test('is read on from where it was left', async () => {
    writeFileSync(path('log'), 'one\ntwo\nthr');
    using log = reader('log', { lines: 2 });
    expect(await log.read()).toBe('two\nthr');
    expect(await log.read()).toBe('');
    appendFileSync(path('log'), 'ee\n');
    expect(await log.read()).toBe('ee\n');
  });

  test('that is cut short is read from its beginning', async () => {
    writeFileSync(path('log'), 'before\n');
    using log = reader('log');
    await log.read();
    truncateSync(path('log'));
    expect(await log.read()).toBe('');
    appendFileSync(path('log'), 'anew\n');
    expect(await log.read()).toBe('anew\n');
  });

  test('that is moved away is read to its end, then the one in its place', async () => {
    writeFileSync(path('log'), 'before\n');
    using log = reader('log');
    await log.read();
    renameSync(path('log'), path('log.1'));
    appendFileSync(path('log.1'), 'last\n');
    expect(await log.read()).toBe('last\n');
    writeFileSync(path('log'), '');
    appendFileSync(path('log.1'), 'really last\n');
    expect(await log.read()).toBe('really last\n');
    appendFileSync(path('log'), 'first\n');
    expect(await log.read()).toBe('first\n');
  });

  test('may come later, or be away', async () => {
    using log = reader('log');
    expect(await log.read()).toBe('');
    writeFileSync(path('log'), 'there\n');
    expect(await log.read()).toBe('there\n');
    rmSync(path('log'));
    expect(await log.read()).toBe('');
  });

  test('is read in pieces, until nobody wants more', async () => {
    writeFileSync(path('log'), 'x'.repeat(300_000));
    using log = reader('log');
    const pieces: number[] = [];
    const wants = async (bytes: Uint8Array) => pieces.push(bytes.length) < 2;
    expect(await log.pull(wants)).toBe(false);
    expect(pieces).toEqual([65536, 65536]);
  });
});
