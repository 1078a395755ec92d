import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { bar, count, percent, pressure, shortBytes, sparkline } from '../../../../src/cli/top/figures.ts';

test.each([
  [undefined, '-'],
  [0, '0'],
  [987, '987'],
  [999.6, '1Ki'],
  [1024, '1Ki'],
  [1536, '1.5Ki'],
  [128 * 2 ** 20, '128Mi'],
  [1.25 * 2 ** 30, '1.3Gi'],
  [1023 * 2 ** 20, '1Gi'],
  [-1, '0'],
])('%p bytes are %s', (bytes, text) => expect(shortBytes(bytes)).toBe(text));

test('any number of bytes takes six characters at most, and says it within a twentieth', () => {
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi'];
  fc.assert(
    fc.property(fc.double({ min: 1, max: 2 ** 53, noNaN: true }), bytes => {
      const [, digits, unit = ''] = /^(\d+(?:\.\d)?)([A-Z]i)?$/.exec(shortBytes(bytes)) ?? [];
      const said = Number(digits) * 1024 ** units.indexOf(unit);
      expect(shortBytes(bytes).length).toBeLessThanOrEqual(6);
      expect(Math.abs(said - bytes)).toBeLessThanOrEqual(Math.max(0.5, bytes / 20));
    }),
  );
});

test.each([
  [undefined, '-'],
  [0, '0.0'],
  [0.1234, '12.3'],
  [0.99949, '99.9'],
  [0.9999, '100'],
  [15.999, '1600'],
])('%p CPUs are %s percent of one', (cpus, text) => expect(percent(cpus)).toBe(text));

test('pressure is in percent already, and may not be counted', () => {
  expect([undefined, 0, 12.34, 100].map(pressure)).toEqual(['-', '0.0', '12.3', '100']);
});

test('a count stands beside its limit', () => {
  expect([undefined, { current: 3 }, { current: 3, limit: 100 }].map(count)).toEqual(['-', '3', '3/100']);
});

describe('a bar', () => {
  test.each([
    [0, '····'],
    [0.001, '▏···'],
    [0.5, '██··'],
    [0.53125, '██▏·'],
    [1, '████'],
    [1.7, '████'],
  ])('of %p', (share, drawn) => expect(bar(share, 4)).toBe(drawn));

  test('is as wide as asked, and never shorter for a larger share', () => {
    const filled = (text: string) =>
      [...text].reduce((sum, one) => sum + (one === '·' ? 0 : 8 - '█▉▊▋▌▍▎▏'.indexOf(one)), 0);
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 2, noNaN: true }),
        fc.double({ min: 0, max: 2, noNaN: true }),
        fc.nat(20),
        (a, b, width) => {
          const [less, more] = [Math.min(a, b), Math.max(a, b)].map(share => bar(share, width + 1));
          expect(Bun.stringWidth(less ?? '')).toBe(width + 1);
          expect(filled(less ?? '')).toBeLessThanOrEqual(filled(more ?? ''));
        },
      ),
    );
  });
});

describe('a sparkline', () => {
  test('has the newest at the right, and nothing where nothing was counted', () => {
    expect(sparkline([undefined, 0, 0.5, 1], 6, 0)).toBe('   ▁▅█');
    expect(sparkline([9, 9, 9, 0, 1], 2, 0)).toBe('▁█');
    expect(sparkline([], 3, 1)).toBe('   ');
  });

  test('of what idles is low', () => {
    expect(sparkline([0.001, 0.002], 2, 0.05)).toBe('▁▁');
    expect(sparkline([0, 0], 2, 0)).toBe('  ');
    expect(sparkline([0, 0], 2, 1)).toBe('▁▁');
  });
});
