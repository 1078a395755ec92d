import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { didYouMean, NAME_MAX, nameFault, nearest } from '../../../src/kernel/names.ts';

const word = fc.string({ unit: fc.constantFrom(...'abzAZ019'), minLength: 1, maxLength: 8 });
const name = fc
  .array(word, { minLength: 1, maxLength: 6 })
  .map(words => words.join('-'))
  .filter(text => text.length <= NAME_MAX);

describe('nameFault', () => {
  test('takes words of letters and digits with single hyphens between them', () => {
    fc.assert(fc.property(name, text => nameFault(text) === undefined));
  });

  test('refuses every name with a character, an end or a neighbourhood of hyphens that containerd refuses', () => {
    const odd = fc.constantFrom('_', '.', '/', ' ', '\0', '\n', ':', 'ä', '٣', '-', '\\', '$');
    const spoil = fc.oneof(
      fc.tuple(name, odd).map(([text, character]) => `${text}${character}`),
      fc.tuple(name, odd).map(([text, character]) => `${character}${text}`),
      fc.tuple(name, name).map(([a, b]) => `${a}--${b}`),
    );
    fc.assert(fc.property(spoil, text => nameFault(text) !== undefined));
  });

  test.each(['', '-', 'a-', '-a', 'a--b', '..', '.', 'a/b', 'a\n', '\na', 'a b', 'a_b'])('refuses %j', text => {
    expect(nameFault(text)).toContain('is not a name');
  });

  test('counts to 63', () => {
    expect(nameFault('a'.repeat(63))).toBeUndefined();
    expect(nameFault('a'.repeat(64))).toContain('64 characters');
    expect(nameFault('a-'.repeat(100_000))).toContain('at most 63');
  });
});

describe('nearest', () => {
  const fields = ['image', 'imagePullPolicy', 'command', 'args', 'env', 'volumes', 'readOnlyRootFilesystem'];

  test.each([
    ['imgae', 'image'],
    ['Image', 'image'],
    ['comand', 'command'],
    ['arg', 'args'],
    ['evn', 'env'],
    ['volume', 'volumes'],
    ['readonlyRootFileSystem', 'readOnlyRootFilesystem'],
  ])('takes %s for %s', (typed, meant) => {
    expect(nearest(typed, fields)).toBe(meant);
    expect(didYouMean(typed, fields)).toBe(`; did you mean \`${meant}\`?`);
  });

  test.each(['networkPolicy', 'x', '', 'zzzzz'])('does not guess at %j', typed => {
    expect(nearest(typed, fields)).toBeUndefined();
    expect(didYouMean(typed, fields)).toBe('');
  });

  test('finds a word from which one letter is missing, doubled, replaced or swapped', () => {
    const edits = [
      (text: string, at: number) => text.slice(0, at) + text.slice(at + 1),
      (text: string, at: number) => text.slice(0, at) + text.charAt(at) + text.slice(at),
      (text: string, at: number) => `${text.slice(0, at)}#${text.slice(at + 1)}`,
      (text: string, at: number) => text.slice(0, at) + text.charAt(at + 1) + text.charAt(at) + text.slice(at + 2),
    ];
    const typed = fc.record({
      field: fc.constantFrom(...fields.filter(field => field.length > 3)),
      edit: fc.constantFrom(...edits),
      at: fc.nat({ max: 20 }),
    });
    fc.assert(
      fc.property(typed, ({ field, edit, at }) => nearest(edit(field, at % (field.length - 1)), fields) === field),
    );
  });

  test('is not slowed down by a word without end', () => {
    expect(nearest('x'.repeat(1_000_000), fields)).toBeUndefined();
  });

  test('prefers the exact word, and else the first of two that are as near', () => {
    expect(nearest('env', ['env1', 'env'])).toBe('env');
    expect(nearest('cells', ['cell', 'cello'])).toBe('cell');
  });

  test('takes the beginning of a word for the shortest that begins so', () => {
    expect(nearest('mem', ['cpu', 'memory-high', 'memory'].values())).toBe('memory');
    expect(nearest('me', ['cpu', 'memory'])).toBeUndefined();
  });
});
