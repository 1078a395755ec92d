import { expect, test } from 'bun:test';
import { sinceTime } from '../../../src/cli/since.ts';

test('a time that is given, and none', () => {
  expect(sinceTime('2026-11-21T12:00:00Z')).toBe(Date.parse('2026-11-21T12:00:00Z'));
  expect(sinceTime(undefined)).toBeUndefined();
});

test('what is no time is refused by the name of the flag', () =>
  expect(() => sinceTime('yesterday')).toThrow('--since: `yesterday` is no time'));
