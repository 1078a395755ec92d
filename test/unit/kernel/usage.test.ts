import { expect, test } from 'bun:test';
import type { CgroupUsage } from '../../../src/kernel/backends/index.ts';
import { type Reading, useOf } from '../../../src/kernel/usage.ts';

const reading = (at: number, ...groups: CgroupUsage[]): Reading => ({
  at,
  groups: new Map(groups.map(one => [one.path, one])),
});
const io = (readBytes: number, writeBytes = 0) => ({ readBytes, writeBytes, reads: readBytes / 10, writes: 0 });

test('rates are over the time between two readings, the rest is of the last', () => {
  const before = reading(1000, { path: '/a', cpuUsec: 1_000_000, io: io(100), memory: { current: 1 } });
  const now = reading(3000, {
    path: '/a',
    cpuUsec: 2_000_000,
    io: io(300, 50),
    memory: { current: 7, limit: 9 },
    pids: { current: 2 },
    pressure: { cpu: 1.5 },
  });
  expect(useOf('/a', now, before)).toEqual({
    cpus: 0.5,
    io: { readBps: 100, writeBps: 25, readIops: 10, writeIops: 0 },
    memory: { current: 7, limit: 9 },
    pids: { current: 2 },
    pressure: { cpu: 1.5 },
  });
});

test.each([
  ['the first reading', undefined],
  ['a group whose counters have just come', reading(0, { path: '/a' })],
  ['two readings at once', reading(2000, { path: '/a', cpuUsec: 1, io: io(10) })],
])('%s has no rates', (_, before) => {
  const now = reading(2000, { path: '/a', cpuUsec: 5, io: io(50), pids: { current: 1 } });
  expect(useOf('/a', now, before)).toEqual({ pids: { current: 1 } });
});

test.each([
  ['a group that has just come', reading(0)],
  ['a group that was made anew, and counts from 0', reading(0, { path: '/a', cpuUsec: 9, io: io(90) })],
])('%s has used all of it since the reading before', (_, before) => {
  const now = reading(2000, { path: '/a', cpuUsec: 5, io: io(50) });
  expect(useOf('/a', now, before)).toEqual({
    cpus: 2.5e-6,
    io: { readBps: 25, writeBps: 0, readIops: 2.5, writeIops: 0 },
  });
});

test('of what has no group, and of one that counts nothing, nothing is known', () => {
  const now = reading(1, { path: '/a' });
  expect([useOf('/a', now, now), useOf('/b', now, now), useOf(undefined, now, now)]).toEqual([{}, {}, {}]);
});
