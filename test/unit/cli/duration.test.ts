import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseDuration } from '../../../src/cli/duration.ts';

describe('parseDuration', () => {
  test.each([
    ['10', 10_000],
    ['0', 0],
    ['500ms', 500],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['1h', 3_600_000],
    [' 2s ', 2000],
  ])('%j is %p ms', (text, ms) => {
    expect(parseDuration(text, '--timeout')).toBe(ms);
  });

  test.each(['', 's', '-1s', '+1', '1d', '1 s', '1s2', '1e3', '0x10', '.5s', '1.', 'Infinity', 'NaN', '１０'])(
    '%j is refused, with the flag’s name',
    text => {
      expect(() => parseDuration(text, '--timeout')).toThrow(`--timeout: \`${text}\` is not a time such as 10s`);
    },
  );

  test('one that no timer can hold is refused', () => {
    for (const text of ['9'.repeat(400), '25d', '2147483648ms', '1000h']) {
      expect(() => parseDuration(text, '--lock-timeout')).toThrow('--lock-timeout');
    }
    expect(parseDuration('500h', '--lock-timeout')).toBe(1_800_000_000);
  });

  test('every unit gives back what it was made from', () => {
    const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
    fc.assert(
      fc.property(fc.nat({ max: 500 }), fc.constantFrom(...Object.entries(units)), (count, [unit, ms]) => {
        expect(parseDuration(`${count}${unit}`, '--timeout')).toBe(count * ms);
      }),
    );
  });
});
