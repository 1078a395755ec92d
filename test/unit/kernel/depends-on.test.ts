import { expect, test } from 'bun:test';
import { circleIn, inWaves } from '../../../src/kernel/depends-on.ts';

const circle = (before: Record<string, string[]>) => circleIn(new Map(Object.entries(before)));
const waves = (before: Record<string, string[]>) =>
  inWaves(
    Object.keys(before),
    name => name,
    name => before[name] ?? [],
  );

test('a circle is named from one of its members back to it', () => {
  expect(circle({ a: ['b', 'c'], b: ['c'], c: [], d: ['a', 'nobody'] })).toBeUndefined();
  expect(circle({ a: ['b'], b: ['c', 'd'], c: [], d: ['b'] })).toEqual(['b', 'd', 'b']);
  expect(circle({ a: ['a'] })).toEqual(['a', 'a']);
});

test('a row of any length has no circle, unless its ends meet', () => {
  const length = 100_000;
  const row = Array.from({ length }, (_, at) => [`${at}`, at + 1 < length ? [`${at + 1}`] : []] as const);
  expect(circleIn(new Map(row))).toBeUndefined();
  expect(circleIn(new Map([...row, [`${length - 1}`, ['0']]]))).toHaveLength(length + 1);
});

test('each comes after those it waits for, and what is in a circle last', () => {
  expect(waves({ a: ['b'], b: ['c', 'elsewhere'], c: [], d: ['d'] })).toEqual([['c', 'd'], ['b'], ['a']]);
  expect(waves({ a: ['b'], b: ['a'], c: [], d: ['b'] })).toEqual([['c'], ['a', 'b', 'd']]);
});
