import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  controllerOf,
  deviceKnob,
  deviceOf,
  hugepagesKnob,
  type Knob,
  plainKnobs,
  RATE_NAMES,
} from '../../../plugins/cgroup-v2/limits/knobs.ts';
import type { LimitField, LimitValue } from '../../../src/kernel/limits/limits.ts';

const knob = (field: LimitField, isBfq = false): Knob => {
  const found = plainKnobs(isBfq).find(one => one.field === field);
  if (found === undefined) throw new Error(`no knob for ${field}`);
  return found;
};

describe('a limit', () => {
  test.each<[LimitField, LimitValue, string, string]>([
    ['cpu.limit', 1.5, 'cpu.max', '150000 100000'],
    ['cpu.limit', 0.01, 'cpu.max', '1000 100000'],
    ['cpu.limit', 1 / 3, 'cpu.max', '33333 100000'],
    ['cpu.weight', 250, 'cpu.weight', '250'],
    ['cpu.cpuset', '0-3,6', 'cpuset.cpus', '0-3,6'],
    ['memory.limit', 64 * 2 ** 20, 'memory.max', '67108864'],
    ['memory.high', 2 ** 40, 'memory.high', '1099511627776'],
    ['memory.limit', 100_000_000, 'memory.max', '99999744'],
    ['memory.high', 4095, 'memory.high', '0'],
    ['memory.reservation', 0, 'memory.low', '0'],
    ['memory.swap', 0, 'memory.swap.max', '0'],
    ['io.weight', 300, 'io.weight', '300'],
    ['pids.limit', 50, 'pids.max', '50'],
  ])('%s %p is written to its file', (field, value, file, text) => {
    expect([knob(field).file, knob(field).text(value)]).toEqual([file, text]);
    expect(controllerOf(field)).toBe(file.split('.')[0] ?? '');
  });

  test.each<[LimitField, string, LimitValue | undefined]>([
    ['cpu.limit', 'max 100000', undefined],
    ['cpu.limit', 'max 50000', undefined],
    ['cpu.limit', '50000 200000', 0.25],
    ['cpu.cpuset', '', undefined],
    ['memory.limit', 'max', undefined],
    ['memory.reservation', '0', undefined],
    ['memory.reservation', 'max', 'max'],
    ['memory.swap', '0', 0],
    ['io.weight', 'default 100', 100],
    ['io.weight', 'default 20\n254:0 500', 20],
    ['pids.limit', '4194304', 4194304],
  ])('%s is read from %p', (field, content, value) => {
    expect(knob(field).value(knob(field).read(content))).toEqual(value);
  });

  test('of huge pages is in whole pages', () => {
    expect(hugepagesKnob('hugepages.2Mi', 2 ** 21).text(5 * 2 ** 20)).toBe(`${4 * 2 ** 20}`);
  });

  test('of huge pages is in the file of their size', () => {
    const sizes: [number, string][] = [
      [2 ** 16, 'hugetlb.64KB.max'],
      [2 ** 21, 'hugetlb.2MB.max'],
      [2 ** 29, 'hugetlb.512MB.max'],
      [2 ** 30, 'hugetlb.1GB.max'],
      [2 ** 34, 'hugetlb.16GB.max'],
    ];
    for (const [size, file] of sizes) expect(hugepagesKnob('hugepages.x', size).file).toBe(file);
    expect(controllerOf('hugepages.2Mi')).toBe('hugetlb');
  });

  test('of huge pages: two numbers are none, by the kernel’s size of a page', () => {
    const { read, value, unset } = hugepagesKnob('hugepages.2Mi', 2 ** 21);
    for (const content of ['max', '9223372036854771712', '9223372036853727232']) {
      expect(read(content)).toBe(unset);
      expect(value(read(content))).toBeUndefined();
    }
    expect(value(read('4194304'))).toBe(4194304);
  });

  test('what is written is read back as the same, whatever it is', () => {
    const bytes = fc.integer({ min: 1, max: 2 ** 50 }).map(pages => pages * 4096);
    const numbers: [LimitField, fc.Arbitrary<number>][] = [
      ['cpu.limit', fc.integer({ min: 1, max: 800_000 }).map(hundredths => hundredths / 100)],
      ['cpu.weight', fc.integer({ min: 1, max: 10_000 })],
      ['memory.limit', bytes.filter(Number.isSafeInteger)],
      ['io.weight', fc.integer({ min: 1, max: 10_000 })],
      ['pids.limit', fc.integer({ min: 1, max: 2 ** 22 })],
    ];
    for (const [field, values] of numbers) {
      const { text, read, value } = knob(field);
      fc.assert(fc.property(values, one => value(read(text(one))) === one));
    }
  });

  test('no text is that of no limit, but by the kernel’s own default', () => {
    for (const one of plainKnobs(false)) {
      expect(one.read(one.unset)).toBe(one.unset);
      expect(one.value(one.unset)).toBe(one.field.endsWith('.weight') ? 100 : undefined);
    }
  });
});

test('weights for BFQ are spread over its narrower range, in order, with the same middle', () => {
  const { file, text, value } = knob('io.weight', true);
  expect(file).toBe('io.bfq.weight');
  expect([1, 50, 100, 10_000].map(text)).toEqual(['1', '50', '100', '1000']);
  const weights = fc.integer({ min: 1, max: 10_000 });
  fc.assert(
    fc.property(weights, weights, (a, b) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)].map(one => Number(text(one)));
      expect(low).toBeLessThanOrEqual(high ?? 0);
      expect(high).toBeLessThanOrEqual(1000);
      // As near as its steps are.
      expect(Math.abs(Number(value(text(a))) - a)).toBeLessThanOrEqual(6);
    }),
  );
});

describe('a rate of a device', () => {
  const rate = fc.integer({ min: 1, max: 2 ** 32 - 2 });
  const name = fc.constantFrom(...RATE_NAMES);
  const number = fc.tuple(fc.nat(4095), fc.nat(2 ** 20)).map(([major, minor]) => `${major}:${minor}`);
  const line = (of: string, rates: Record<string, number>) =>
    `${of} ${['rbps', 'wbps', 'riops', 'wiops'].map(key => `${key}=${rates[key] ?? 'max'}`).join(' ')}`;

  test('is one key of a line among others', () => {
    const { read, value, unset, text } = deviceKnob({ path: '/dev/vda', rate: 'writeIops' }, '254:0');
    const content = '8:0 rbps=1 wbps=2 riops=3 wiops=4\n254:0 rbps=max wbps=1048576 riops=max wiops=120';
    expect(read(content)).toBe('254:0 wiops=120');
    expect(value(read(content))).toBe(120);
    expect(read('8:0 rbps=1 wbps=2 riops=3 wiops=4')).toBe(unset);
    expect(value(unset)).toBeUndefined();
    expect(text(5)).toBe('254:0 wiops=5');
  });

  test('is read back as it was written, whatever stands around it', () => {
    fc.assert(
      fc.property(number, name, rate, fc.array(fc.tuple(number, rate)), (mine, key, limit, others) => {
        const one = deviceKnob({ path: '/dev/x', rate: key }, mine);
        const [, pair = ''] = one.text(limit).split(' ');
        const [file = '', value] = pair.split('=');
        const lines = others
          .filter(([other]) => other !== mine)
          .map(([other, of]) => line(other, { rbps: of, wiops: of }));
        const content = [...lines, line(mine, { [file]: Number(value) })].sort().join('\n');
        expect(one.value(one.read(content))).toEqual(limit);
        expect(deviceOf(one.text(limit))).toBe(mine);
        expect(one.read(lines.join('\n'))).toBe(one.unset);
      }),
    );
  });
});
