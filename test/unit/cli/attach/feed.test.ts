import { expect, test } from 'bun:test';
import { watchKeys } from '../../../../src/cli/attach/detach-keys.ts';
import { feed } from '../../../../src/cli/attach/feed.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

/** `write` is asked for each piece; what it says is what the reader does. */
function feeding(pieces: string[], write: (text: string) => boolean | Promise<boolean>, keys = '') {
  const written: string[] = [];
  const end = feed({
    read: async () => {
      const next = pieces.shift();
      return next === undefined ? undefined : bytes(next);
    },
    async write(piece) {
      const text = Buffer.from(piece).toString();
      if (!(await write(text))) return false;
      written.push(text);
      return true;
    },
    keys: watchKeys(bytes(keys)),
  });
  return { end, written };
}

test('all is written before its end is told, what the keys held back too', async () => {
  const { end, written } = feeding(['one', 'two', 'q'], async () => true, 'qq');
  expect(await end).toBe('ended');
  expect(written).toEqual(['one', 'two', 'q']);
});

test('the keys are heard while nobody reads what was typed before', async () => {
  const never = new Promise<boolean>(() => {});
  expect(await feeding(['a', 'b', 'qq'], () => never, 'qq').end).toBe('left');
});

test('it ends when nobody reads any more', async () => {
  const endless = Array<string>(1000).fill('x'.repeat(1 << 16));
  expect(await feeding(endless, () => false).end).toBe('unread');
  expect(endless.length).toBeGreaterThan(900);
});

test('what nobody reads is not taken without end', async () => {
  const pieces = Array<string>(1000).fill('x'.repeat(1 << 16));
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const { end } = feeding(pieces, () => promise);
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  expect(pieces.length).toBeGreaterThan(900);
  resolve(true);
  expect(await end).toBe('ended');
});
