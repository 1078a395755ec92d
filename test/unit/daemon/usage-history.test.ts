/** What was used over the last while: averages, peaks, parts, and that it neither grows nor outlives what it is about. */
import { describe, expect, test } from 'bun:test';
import { makeHistory } from '../../../src/daemon/usage/history.ts';
import type { CgroupUsage } from '../../../src/kernel/backends/index.ts';

const group = (path: string, cpuUsec: number, memory?: number): CgroupUsage => ({
  path,
  cpuUsec,
  ...(memory !== undefined && { memory: { current: memory } }),
});
const reading = (at: number, ...groups: CgroupUsage[]) => ({ at, groups: new Map(groups.map(one => [one.path, one])) });

/** A CPU second, none, two: between readings 10 s apart. */
function filled() {
  const history = makeHistory(10_000, 6);
  const spent = [0, 1e6, 1e6, 3e6];
  for (const [index, usec] of spent.entries())
    history.add(reading(index * 10_000, group('/kukeon', usec, (index + 1) * 4096)));
  return history;
}

describe('a span', () => {
  test('a point a reading: the first has no rate', () => {
    const span = filled().last(3_600_000, 30_000);
    expect(span.times).toEqual([0, 10_000, 20_000, 30_000]);
    expect(span.readings).toEqual({ first: 0, last: 30_000 });
    const { cpus, memory, readBps } = span.of('/kukeon');
    expect(cpus?.points.map(value => value && Math.fround(value))).toEqual([
      null,
      Math.fround(0.1),
      0,
      Math.fround(0.2),
    ]);
    expect(cpus?.average).toBeCloseTo(0.1, 6);
    expect(cpus?.peak).toBeCloseTo(0.2, 6);
    expect(memory).toEqual({ average: 10_240, peak: 16_384, points: [4096, 8192, 12_288, 16_384] });
    expect(readBps).toBeUndefined();
  });

  test('of the last of it alone', () => {
    const span = filled().last(15_000, 30_000);
    expect(span.times).toEqual([20_000, 30_000]);
    expect(span.of('/kukeon').memory?.average).toBe(14_336);
  });

  test('in equal parts of the time, also of that of which nothing is known; the peak is of the readings', () => {
    const span = filled().last(80_000, 31_000, 4);
    expect(span.times).toEqual([-29_000, -9000, 11_000, 31_000]);
    expect(span.of('/kukeon').memory).toEqual({ average: 10_240, peak: 16_384, points: [null, null, 6144, 14_336] });
  });

  test('nothing is known yet, or of that group', () => {
    const empty = makeHistory(10_000).last(60_000, 0, 2);
    expect([empty.readings, empty.times, empty.of('/kukeon')]).toEqual([undefined, [-30_000, 0], {}]);
    expect(filled().last(3_600_000, 30_000).of('/kukeon/none')).toEqual({});
  });
});

test('the oldest goes where the ring is full', () => {
  const history = makeHistory(10_000, 3);
  for (let index = 0; index < 8; index++) history.add(reading(index, group('/kukeon', 0, index * 4096)));
  const span = history.last(1000, 8);
  expect(span.times).toEqual([5, 6, 7]);
  expect(span.of('/kukeon').memory?.points).toEqual([5, 6, 7].map(page => page * 4096));
});

test('a group that was away is not known for that time; one that was made anew counts from nothing', () => {
  const history = makeHistory(10_000, 6);
  history.add(reading(0, group('/a', 9e6, 4096)));
  history.add(reading(10_000, group('/a', 10e6, 4096)));
  history.add(reading(20_000));
  history.add(reading(30_000, group('/a', 1e6, 4096)));
  history.add(reading(40_000, group('/a', 2e6, 4096)));
  history.add(reading(50_000, group('/a', 0, 4096)));
  const { cpus, memory } = history.last(100_000, 50_000).of('/a');
  expect(cpus?.points.map(value => value !== null)).toEqual([false, true, false, true, true, true]);
  expect(memory?.points).toEqual([4096, 4096, null, 4096, 4096, 4096]);
});

test('what has gone is forgotten when its last reading is too old, and some of it sooner where it is much', () => {
  const history = makeHistory(10_000, 4);
  history.add(reading(0, group('/a', 0), group('/b', 0)));
  for (let at = 1; at < 4; at++) history.add(reading(at, group('/b', 0)));
  expect(history.size).toBe(2);
  history.add(reading(4, group('/b', 0)));
  expect(history.size).toBe(1);
  // Cells that come and go the whole day.
  for (let at = 5; at < 2000; at++) history.add(reading(at, ...[0, 1, 2].map(index => group(`/${at}/${index}`, 0))));
  expect(history.size).toBeLessThanOrEqual(3 * 4);
  const busy = makeHistory(10_000, 360);
  for (let at = 0; at < 350; at++)
    busy.add(reading(at, group('/b', 0), ...[0, 1, 2].map(index => group(`/${at}/${index}`, 0))));
  expect(busy.size).toBeLessThanOrEqual(1 + 3 + 256);
  expect(busy.last(1000, 349).times).toHaveLength(350);
});
