import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { formatBytes, parseQuantity } from '../../../../src/kernel/limits/quantity.ts';

const read = (given: unknown) => {
  const parsed = parseQuantity(given);
  return 'value' in parsed ? parsed.value : parsed.fault;
};

test.each([
  ['512Mi', 512 * 2 ** 20],
  ['1.5G', 1_500_000_000],
  ['500m', 0.5],
  ['+64Mi', 64 * 2 ** 20],
  ['250000u', 0.25],
  ['1500000000n', 1.5],
  ['.5', 0.5],
  ['1.', 1],
  ['1e3', 1000],
  ['1e-1', 0.1],
  ['12E', 12e18],
  ['1E9', 1e9],
  ['1.5E-1', 0.15],
  ['8.2M', 8_200_000],
  ['4.1M', 4_100_000],
  ['1.1Gi', 1_181_116_006.4],
  ['0.7', 0.7],
  ['1100m', 1.1],
  ['7', 7],
  [' 1Ki ', 1024],
  [0, 0],
  [-3, -3],
  [1.5, 1.5],
])('%j', (given, value) => {
  expect(read(given)).toBe(value);
});

test.each([
  ['', 'must be a quantity'],
  ['-1', 'without a minus'],
  ['+', 'must be a quantity'],
  ['++1', 'must be a quantity'],
  ['1nn', 'no suffix'],
  ['1 Mi', 'must be a quantity'],
  ['512mb', 'did you mean 512M?'],
  ['512mib', 'did you mean 512Mi?'],
  ['1K', 'did you mean 1k?'],
  ['1x', '`x` is no suffix'],
  ['1e', 'no suffix'],
  ['0x10', 'must be a quantity'],
  ['1,5', 'must be a quantity'],
  ['1_000', 'must be a quantity'],
  ['Infinity', 'must be a quantity'],
  ['1constructor', 'must be a quantity'],
  [Number.NaN, 'must be a number'],
  [Number.POSITIVE_INFINITY, 'must be a number'],
  [null, 'must be a quantity'],
  [['1'], 'must be a quantity'],
])('%j is none', (given, why) => {
  expect(read(given)).toContain(why);
});

const suffix = fc.constantFrom('', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi');

describe('any', () => {
  test('whole number of a unit is read as itself, however it is written', () => {
    const units: Record<string, number> = { '': 1, k: 1e3, M: 1e6, G: 1e9, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };
    fc.assert(
      fc.property(fc.nat({ max: 1_000_000 }), suffix, (count, unit) => {
        expect(read(`${count}${unit}`)).toBe(count * (units[unit] ?? 0));
        expect(read(`0${count}.000${unit}`)).toBe(count * (units[unit] ?? 0));
      }),
    );
  });

  test('number of bytes comes back as it was printed', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), bytes => {
        expect(read(formatBytes(bytes))).toBe(bytes);
      }),
    );
  });

  test('round number of bytes is short', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1023 }), fc.constantFrom('Ki', 'Mi', 'Gi', 'Ti'), (count, unit) => {
        expect(formatBytes(Number(read(`${count}${unit}`)))).toBe(`${count}${unit}`);
      }),
    );
  });

  test('text is a number or a fault, and never anything else', () => {
    fc.assert(
      fc.property(fc.anything(), given => {
        const parsed = parseQuantity(given);
        if ('value' in parsed) expect(Number.isFinite(parsed.value)).toBe(true);
        else expect(parsed.fault).not.toBe('');
      }),
    );
  });
});
