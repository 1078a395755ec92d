import { expect, test } from 'bun:test';
import { busySeconds, judgeTime } from '../../runner/vm-time.ts';

test.each([
  ['in time', { seconds: 599, own: 1000, all: 1000, cpus: 2 }, false, 'took 599 s in all, of 600; others had 0 %'],
  ['too long', { seconds: 601, own: 1000, all: 1100, cpus: 2 }, true, 'took 601 s in all, of 600; others had 8 %'],
  ['too long, beside others', { seconds: 700, own: 600, all: 1300, cpus: 2 }, false, 'others had 50 %'],
])('%s', (_, taken, failed, text) => {
  expect(judgeTime(taken)).toEqual({ failed, text: expect.stringContaining(text) });
});

test('processor seconds are what was not idle', () => {
  expect(busySeconds('cpu  100 20 30 9999 8888 4 6 0 0 0\ncpu0 1 1 1 1 1 1 1 0 0 0\n')).toBe(1.6);
});
