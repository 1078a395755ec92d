import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { DETACH_KEYS, parseDetachKeys, watchKeys } from '../../../../src/cli/attach/detach-keys.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('keys as they are written', () => {
  test.each([
    [DETACH_KEYS, [16, 17]],
    ['ctrl-]', [29]],
    ['CTRL-A,d', [1, 100]],
    ['ctrl-@,ctrl-[,ctrl-\\,ctrl-^,ctrl-_', [0, 27, 28, 30, 31]],
    ['~,.', [126, 46]],
    ['none', []],
    ['', []],
  ])('%s', (text, keys) => {
    expect([...parseDetachKeys(text)]).toEqual(keys);
  });

  test.each(['ctrl-1', 'ctrl-', 'ab', 'ctrl-p,', 'ü', Array(17).fill('a').join()])('%s is refused', text => {
    expect(() => parseDetachKeys(text)).toThrow(expect.objectContaining({ code: 'Usage' }));
  });
});

describe('what is typed', () => {
  const keys = bytes('xxy');

  test('goes on but for what may be the beginning of the keys, which waits', () => {
    const watch = watchKeys(keys);
    const take = (text: string) => {
      const { passed, areTyped } = watch.take(bytes(text));
      return [Buffer.from(passed).toString(), areTyped];
    };
    expect(take('ax')).toEqual(['a', false]);
    expect(take('x')).toEqual(['', false]);
    expect(take('x')).toEqual(['x', false]);
    expect(take('b')).toEqual(['xxb', false]);
    expect(take('cxx')).toEqual(['c', false]);
    expect(take('y and more')).toEqual(['', true]);
  });

  test('at its end goes on whole', () => {
    const watch = watchKeys(keys);
    expect(Buffer.from(watch.take(bytes('ax')).passed).toString()).toBe('a');
    expect(Buffer.from(watch.rest()).toString()).toBe('x');
    expect(watch.rest()).toHaveLength(0);
  });

  test('goes on as it is where there are no keys', () => {
    expect(watchKeys(new Uint8Array()).take(bytes('xxy'))).toEqual({ passed: bytes('xxy'), areTyped: false });
  });

  test('is the same in whatever pieces it comes: all before the keys, and nothing after', () => {
    const letter = fc.constantFrom('x', 'y', 'z');
    const typed = fc.array(fc.array(letter, { maxLength: 4 }), { maxLength: 8 });
    fc.assert(
      fc.property(typed, fc.array(letter, { minLength: 1, maxLength: 3 }), (pieces, wanted) => {
        const watch = watchKeys(bytes(wanted.join('')));
        let passed = '';
        let areTyped = false;
        for (const piece of pieces) {
          const taken = watch.take(bytes(piece.join('')));
          passed += Buffer.from(taken.passed).toString();
          areTyped = taken.areTyped;
          if (areTyped) break;
        }
        if (!areTyped) passed += Buffer.from(watch.rest()).toString();
        const all = pieces.flat().join('');
        const at = all.indexOf(wanted.join(''));
        expect([passed, areTyped]).toEqual(at === -1 ? [all, false] : [all.slice(0, at), true]);
      }),
    );
  });
});
