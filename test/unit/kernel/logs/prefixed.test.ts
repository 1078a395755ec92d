import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { prefixedSink } from '../../../../src/kernel/logs/prefixed.ts';

async function prefixed(pieces: Uint8Array[]): Promise<string> {
  let text = '';
  const sink = prefixedSink(
    () => '[a] ',
    async bytes => {
      text += Buffer.from(bytes).toString();
      return true;
    },
  );
  let offset = 0;
  for (const piece of pieces) {
    await sink.take(piece, offset);
    offset += piece.length;
  }
  await sink.end();
  return text;
}

test('each line has the prefix, however the bytes come, and the last one an end', async () => {
  const bytes = fc.array(fc.string({ unit: fc.constantFrom('x', '\n', 'é') }).map(text => Buffer.from(text)));
  await fc.assert(
    fc.asyncProperty(bytes, async pieces => {
      const lines = Buffer.concat(pieces).toString().split('\n');
      if (lines.at(-1) === '') lines.pop();
      expect(await prefixed(pieces)).toBe(lines.map(line => `[a] ${line}\n`).join(''));
    }),
  );
});

test('a line without an end does not fill the memory', async () => {
  const text = await prefixed(Array.from({ length: 3 }, () => Buffer.alloc(50_000, 'x')));
  expect(text.split('\n').map(line => line.length)).toEqual([65_540, 65_540, 18_932, 0]);
});

test('who does not want more is not given more', async () => {
  const sink = prefixedSink(
    () => '',
    async () => false,
  );
  expect(await sink.take(Buffer.from('part'), 0)).toBe(true);
  expect(await sink.take(Buffer.from(' whole\n'), 4)).toBe(false);
});

test('what is before a line is asked for by where the line begins', async () => {
  let text = '';
  const sink = prefixedSink(
    offset => `${offset} `,
    async bytes => {
      text += Buffer.from(bytes).toString();
      return true;
    },
  );
  await sink.take(Buffer.from('one\ntw'), 100);
  await sink.take(Buffer.from('o\nthree'), 106);
  await sink.end();
  expect(text).toBe('100 one\n104 two\n108 three\n');
});
