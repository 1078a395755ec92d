import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { outside } from '../../../../src/kernel/limits/ceilings.ts';
import { cpuList, formatCpuList } from '../../../../src/kernel/limits/cpu-list.ts';

test.each([
  ['0', [0]],
  ['0-3,6', [0, 1, 2, 3, 6]],
  ['3,1,2,1-2', [1, 2, 3]],
  [' 0 , 2\n', [0, 2]],
  ['8191', [8191]],
])('%j', (text, cpus) => {
  expect(cpuList(text)).toEqual(cpus);
});

test.each(['', ' ', '-1', '3-1', '0-', ',', '0,,1', '0-1-2', 'a', '0x1', '8192', '1.5', '0 1', '0-3:1/2'])(
  '%j is none',
  text => {
    expect(cpuList(text)).toBeUndefined();
  },
);

const cpus = fc.uniqueArray(fc.nat({ max: 300 }), { minLength: 1, maxLength: 40 });

test('any list comes back as it was printed, in ranges that neither touch nor overlap', () => {
  fc.assert(
    fc.property(cpus, given => {
      const text = formatCpuList(given);
      expect(cpuList(text)).toEqual([...given].sort((a, b) => a - b));
      const bounds = text.split(',').map(range => range.split('-').map(Number));
      for (const [index, [from = 0]] of bounds.entries())
        if (index > 0) expect(from).toBeGreaterThan((bounds[index - 1]?.at(-1) ?? 0) + 1);
      expect(formatCpuList(cpuList(text) ?? [])).toBe(text);
    }),
  );
});

test('a list lies within another one when each of its CPUs does', () => {
  fc.assert(
    fc.property(cpus, cpus, (inner, outer) => {
      expect(outside(formatCpuList(inner), formatCpuList(outer))).toBe(
        formatCpuList(inner.filter(cpu => !outer.includes(cpu))),
      );
    }),
  );
});
