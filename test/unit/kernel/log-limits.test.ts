import { expect, test } from 'bun:test';
import * as v from 'valibot';
import { pastTime } from '../../../src/kernel/duration.ts';
import { logLimits, logRotation } from '../../../src/kernel/log-limits.ts';

test('what a container says goes before the configuration, field by field, and that before what is usual', () => {
  expect(logRotation(undefined, undefined)).toEqual({ maxSize: 10 * 2 ** 20, maxFiles: 5 });
  expect(logRotation({ maxFiles: 2 }, { maxSize: '1Mi', maxFiles: 9 })).toEqual({ maxSize: 2 ** 20, maxFiles: 2 });
  expect(logRotation({ maxSize: 65_536.5 }, undefined)).toEqual({ maxSize: 65_537, maxFiles: 5 });
});

test.each([
  [{ maxSize: '63Ki' }, 'at least 64Ki'],
  [{ maxSize: '10mb' }, 'is no suffix'],
  [{ maxFiles: 0 }, 'at least 1'],
  [{ maxFiles: 1.5 }, 'whole number'],
])('%j is refused', (said, why) => {
  const { issues } = v.safeParse(logLimits, said);
  expect(issues?.map(({ message }) => message).join()).toContain(why);
});

test('a time that has been: so long ago, or as RFC 3339 has it', () => {
  const now = Date.parse('2026-11-22T10:00:00Z');
  expect(
    ['5m', '90', '2026-11-22T09:00:00Z', '2026-11-22T09:00:00.5+01:00'].map(given => pastTime(given, now)),
  ).toEqual([now - 300_000, now - 90_000, now - 3_600_000, now - 7_199_500]);
  expect(['', 'yesterday', '22.11.2026', '2026-13-01T00:00:00Z', '-5m'].map(given => pastTime(given, now))).toEqual(
    Array(5).fill(undefined),
  );
});
