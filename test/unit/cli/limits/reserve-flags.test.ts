import { expect, test } from 'bun:test';
import { reserveOf } from '../../../../src/cli/limits/reserve-flags.ts';

const host = { memory: 8 * 2 ** 30, cpus: 4 };

test.each([
  [{}, undefined],
  [{ 'reserve-memory': '1Gi' }, { memory: 2 ** 30 }],
  [{ 'reserve-memory': '10%' }, { memory: 820 * 2 ** 20 }],
  [{ 'reserve-cpu': '0.5' }, { cpus: 0.5 }],
  [
    { 'reserve-cpu': '500m', 'reserve-memory': '0' },
    { memory: 0, cpus: 0.5 },
  ],
  [{ 'reserve-cpu': '12.5 %' }, { cpus: 0.5 }],
  [{ 'reserve-cpu': '14.25%' }, { cpus: 0.57 }],
  [{ 'reserve-memory': '75%' }, { memory: 6 * 2 ** 30 }],
  [{ 'reserve-memory': '100%' }, { memory: 8 * 2 ** 30 }],
  [{ 'reserve-cpu': '0%' }, { cpus: 0 }],
])('%j keeps %j', (args, kept) => expect(reserveOf(args, host)).toEqual(kept));

test.each([
  [{ 'reserve-memory': '-1Gi' }, '--reserve-memory: `-1Gi`: must be a quantity without a minus'],
  [{ 'reserve-memory': '-10%' }, '--reserve-memory'],
  [{ 'reserve-memory': 'much' }, 'must be a quantity'],
  [{ 'reserve-memory': '1gb' }, 'did you mean 1G?'],
  [{ 'reserve-cpu': '' }, '--reserve-cpu'],
  [{ 'reserve-cpu': '%' }, '--reserve-cpu'],
])('%j is refused', (args, why) => {
  expect(() => reserveOf(args, host)).toThrow(why);
  expect(() => reserveOf(args, host)).toThrow(expect.objectContaining({ code: 'Usage' }));
});
