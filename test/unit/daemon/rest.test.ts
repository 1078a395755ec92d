import { expect, test } from 'bun:test';
import { makeRest } from '../../../src/daemon/rest.ts';

test('memory is given back once after a burst, when it is over, and not for the little that is always done', () => {
  let used = 0;
  let given = 0;
  const rest = makeRest(
    () => used,
    () => given++,
  );
  const after = (microseconds: number): number => {
    used += microseconds;
    rest.look();
    return given;
  };
  expect([900_000, 900_000].map(after)).toEqual([0, 0]); // it is at work
  expect([10_000, 10_000, 10_000].map(after)).toEqual([1, 1, 1]);
  expect(Array.from({ length: 40 }, () => after(10_000)).at(-1)).toBe(1);
  expect([300_000, 300_000, 0].map(after)).toEqual([1, 1, 2]);
});
