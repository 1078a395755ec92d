import { expect, test } from 'bun:test';
import { judgeTime } from '../../runner/vm-time.ts';

test.each([
  ['in time', 1200.4, 2, false, 'took 1200 s of processors, which by themselves they take 600 s for, of 600'],
  ['too long', 1202, 2, true, '601 s for, of 600'],
  ['too long for one CPU', 700, 1, true, '700 s for, of 600'],
])('%s', (_, cpuSeconds, cpus, failed, text) => {
  expect(judgeTime(cpuSeconds, cpus)).toEqual({ failed, text: expect.stringContaining(text) });
});
