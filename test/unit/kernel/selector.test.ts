import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { matchesSelector, parseSelector } from '../../../src/kernel/selector.ts';

const matches = (selector: string, labels: Record<string, string>) => matchesSelector(parseSelector(selector), labels);

describe('a selector', () => {
  const labels = { app: 'blog', 'kukeon.io/tier': 'web', empty: '' };

  test.each([
    ['', true],
    [' , ', true],
    ['app', true],
    ['app=blog', true],
    ['app==blog', true],
    ['app = blog', true],
    ['app=shop', false],
    ['app!=shop', true],
    ['app!=blog', false],
    ['!app', false],
    ['!other', true],
    ['other', false],
    ['other=x', false],
    ['other!=x', true],
    ['empty', true],
    ['empty=', true],
    ['app=', false],
    ['app==', false],
    ['kukeon.io/tier=web', true],
    ['app=blog,kukeon.io/tier=web', true],
    ['app=blog,kukeon.io/tier=db', false],
    ['app, !other, empty=', true],
    ['toString', false],
    ['!toString', true],
    ['constructor!=x', true],
    ['app in (blog)', true],
    ['app in (shop, blog),!other', true],
    ['app in(shop)', false],
    ['app notin (shop,blog)', false],
    ['other notin (a)', true],
    ['other in (a)', false],
    ['empty in ()', true],
    ['in', false],
  ])('%j holds: %p', (selector, holds) => {
    expect(matches(selector, labels)).toBe(holds);
  });

  test.each([
    'a in b',
    'a in (b',
    'in (b)',
    'a is (b)',
    'a in (b)c',
    'a in (ä)',
    '=b',
    '!=b',
    '!a=b',
    'a=b=c',
    'a b',
    '-a',
    'a-',
    'a=b c',
    'a=ä',
    '!!a',
    'a=!b',
  ])('%j is refused', selector => {
    expect(() => parseSelector(selector)).toThrow('is not a label such as');
  });

  const word = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9_./-]{0,4}[A-Za-z0-9])?$/);

  test('finds what carries the label, and its negation all else', () => {
    fc.assert(
      fc.property(word, word, fc.dictionary(word, word), (key, value, labels) => {
        const has = Object.hasOwn(labels, key);
        expect(matches(key, labels)).toBe(has);
        expect(matches(`!${key}`, labels)).toBe(!has);
        expect(matches(`${key}=${value}`, labels)).toBe(has && labels[key] === value);
        expect(matches(`${key}!=${value}`, labels)).toBe(!(has && labels[key] === value));
        expect(matches(`${key}=${value}`, { ...labels, [key]: value })).toBe(true);
      }),
    );
  });
});
