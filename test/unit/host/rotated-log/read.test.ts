import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { makeKeeper, noteStart } from '../../../../src/host/rotated-log/keep.ts';
import { endOfLog, type LogRange, openLog } from '../../../../src/host/rotated-log/read.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-logs-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const path = (name: string) => join(folder, name);
const ROTATION = { maxSize: 64 * 1024, maxFiles: 4 };
const keep = (name = 'log') => makeKeeper(path(name)).keep(ROTATION);
/** As if it had been written then. */
const at = (seconds: number, name = 'log') => utimesSync(path(name), seconds, seconds);

function reader(name: string, range: LogRange = {}) {
  const log = openLog(path(name), range);
  if (log === undefined) throw new Error('no earlier run');
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
    timeOf: log.timeOf,
  };
}

async function all(range: LogRange = {}, name = 'log'): Promise<string> {
  using log = reader(name, range);
  return await log.read();
}

describe('the last lines', () => {
  test('are those of the text, however long they are, wherever they are cut, and in whatever files they are by now', async () => {
    const line = fc.oneof(fc.constant(''), fc.constant('x'.repeat(70_000)), fc.constant('é and more'));
    const lines = fc.array(line, { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(lines, lines, fc.boolean(), fc.nat({ max: 9 }), async (before, after, hasEnd, count) => {
        const textOf = (some: string[]) => some.map(one => `${one}\n`).join('');
        const text = textOf(before) + textOf(after) + (hasEnd ? '' : 'partial');
        const name = crypto.randomUUID();
        writeFileSync(path(name), textOf(before));
        await makeKeeper(path(name)).keep({ maxSize: 64 * 1024, maxFiles: 100 });
        appendFileSync(path(name), text.slice(textOf(before).length));
        const parts = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
        expect(await all({ lines: count }, name)).toBe(count === 0 ? '' : parts.slice(-count).join(''));
        expect(await all({}, name)).toBe(text);
        expect(endOfLog(path(name))).toBe(Buffer.byteLength(text));
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

  test('that is rotated is read on as if nothing had happened', async () => {
    writeFileSync(path('log'), '');
    using log = reader('log');
    const [written, read]: string[][] = [[], []];
    for (let round = 0; round < 30; round++) {
      const text = `${round} ${'y'.repeat(20_000)}\n`;
      appendFileSync(path('log'), text);
      written?.push(text);
      if (round % 2 === 0) read?.push(await log.read());
      await keep();
    }
    read?.push(await log.read());
    expect(read?.join('')).toBe(written?.join('') ?? '');
  });

  test('that is cut short is read from its beginning', async () => {
    writeFileSync(path('log'), 'before\n');
    using log = reader('log');
    await log.read();
    truncateSync(path('log'));
    expect(await log.read()).toBe('');
    appendFileSync(path('log'), 'anew\n');
    expect(await log.read()).toBe('anew\n');
    expect(await keep()).toBe(5);
    appendFileSync(path('log'), 'more\n');
    expect(await log.read()).toBe('more\n');
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
    expect(await keep()).toBeUndefined();
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

describe('times', () => {
  /** Lines that were written, and noted, at these seconds. */
  async function writtenAt(...times: number[]) {
    writeFileSync(path('log'), '');
    for (const time of times) {
      appendFileSync(path('log'), `a${time}\nb${time}\n`);
      at(time);
      await keep();
    }
  }

  test('since: nothing that was written later is left out, and each line is whole', async () => {
    await writtenAt(100, 200, 300);
    expect(await all({ since: 200_000 })).toBe('a200\nb200\na300\nb300\n');
    expect(await all({ since: 100_001 })).toBe('a200\nb200\na300\nb300\n');
    expect(await all({ since: 0 })).toBe('a100\nb100\na200\nb200\na300\nb300\n');
    expect(await all({ since: 300_001 })).toBe('');
    expect(await all({ since: 150_000, lines: 1 })).toBe('b300\n');
    // Nobody has noted it yet: what is known is that it came after the last note.
    appendFileSync(path('log'), 'not noted');
    at(400);
    expect(await all({ since: 350_000 })).toBe('not noted');
    await keep();
    appendFileSync(path('log'), ' before\nlast\n');
    at(500);
    expect(await all({ since: 450_000 })).toBe('not noted before\nlast\n');
  });

  test('since: a line that somebody goes on with is whole, and one whose beginning is gone is left out', async () => {
    await writtenAt(100);
    appendFileSync(path('log'), 'half');
    at(200);
    using idle = reader('log', { since: 300_000 });
    expect(await idle.read()).toBe('');
    appendFileSync(path('log'), ' and half\nnext\n');
    expect(await idle.read()).toBe('half and half\nnext\n');

    const line = (index: number) => `${String(index).padStart(6, '0')}${'x'.repeat(100)}\n`;
    for (let index = 0; index < 6000; index++) appendFileSync(path('long'), line(index));
    await makeKeeper(path('long')).keep({ maxSize: 64 * 1024, maxFiles: 3 });
    const left = await all({}, 'long');
    expect(left).not.toMatch(/^\d{6}x/); // the pieces are whole blocks
    const text = await all({ since: 0 }, 'long');
    expect(left).toEndWith(text);
    expect(text).toMatch(/^\d{6}x/);
    expect(left.length - text.length).toBeLessThan(line(0).length);
    expect(text).toEndWith(line(5999));
    // All that is left is of one line.
    writeFileSync(path('endless'), 'y'.repeat(400_000));
    await makeKeeper(path('endless')).keep({ maxSize: 64 * 1024, maxFiles: 2 });
    expect(await all({ since: 0 }, 'endless')).toBe(await all({}, 'endless'));
  });

  test('of a line: by when it had been written', async () => {
    await writtenAt(100, 200);
    appendFileSync(path('log'), 'later\n');
    at(300);
    using log = reader('log');
    expect([0, 5, 9, 10, 19, 20, 25].map(offset => log.timeOf(offset))).toEqual([
      100_000, 100_000, 100_000, 200_000, 200_000, 300_000, 300_000,
    ]);
  });

  test('where nobody has looked, the last change of the file is what there is', async () => {
    writeFileSync(path('log'), 'one\ntwo\n');
    at(100);
    expect(await all({ since: 99_000 })).toBe('one\ntwo\n');
    expect(await all({ since: 101_000 })).toBe('');
    using log = reader('log');
    expect(log.timeOf(0)).toBe(100_000);
  });
});

test('the run before the last one, also when it is in other files by now', async () => {
  writeFileSync(path('log'), '');
  noteStart(path('log'), 1000);
  expect(openLog(path('log'), { isPrevious: true })).toBeUndefined();
  appendFileSync(path('log'), 'first\n');
  noteStart(path('log'), 2000);
  expect(await all({ isPrevious: true })).toBe('first\n');
  appendFileSync(path('log'), `${'second\n'.repeat(20_000)}its end\n`);
  await keep();
  noteStart(path('log'), 3000);
  appendFileSync(path('log'), 'third\n');
  await keep();
  expect(await all({ isPrevious: true })).toBe(`${'second\n'.repeat(20_000)}its end\n`);
  expect(await all({ isPrevious: true, lines: 1 })).toBe('its end\n');
  // Of one that wrote nothing there is nothing.
  noteStart(path('log'), 4000);
  noteStart(path('log'), 5000);
  expect(await all({ isPrevious: true })).toBe('');
});
