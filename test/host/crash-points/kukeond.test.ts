// containerd: once, since kuke-faults/killed.test.ts has the versions.
/**
 * kukeond is killed (-9) before, in and after steps of the plans of commands that it runs: whoever waits for one is told, the next kukeond
 * completes or undoes what was in flight, the same command converges, and the host is as after an undisturbed run. CI takes every twenty-fifth
 * point; KUKE_TEST_POINTS=all takes all.
 */
process.env.KUKE_NO_DAEMON = '0';

import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { Containerd } from '../containerd.ts';
import { startKukeond } from '../daemon/kukeond.ts';
import { run } from '../kuke/kuke.ts';
import { at, installKiller, later } from '../kuke-faults/killer.ts';
import { warmHost } from '../kuke-faults/warm-host.ts';
import { difference } from '../observe/inventory.ts';
import { hostState } from './host-state.ts';
import { type Coverage, pointsOf, tell } from './moments.ts';
import { again, cutShort, operations, undisturbed } from './operations.ts';

let containerd: Containerd;
beforeAll(async () => {
  containerd = await warmHost();
  expect(await run(['daemon', 'stop'])).toMatchObject({ status: 0 });
  installKiller();
});
afterAll(() => containerd.stop());

const STRIDE = 25;

/** What kukeond has seen is kept. */
const EVENTS = /^file \/opt\/kukeon\/\.kuke\/events\.jsonl$/;

test('create, change, stop, start and delete', async () => {
  const expected = await undisturbed();
  const covered: Coverage[] = operations.map(({ name }) => ({ name, killed: 0, last: 0 }));
  const points = operations.map((_, index) => pointsOf(index, STRIDE));
  const isOver = operations.map(() => false);
  while (isOver.includes(false)) {
    for (const [index, operation] of operations.entries()) {
      const { name, args, stdin } = operation;
      const coverage = covered[index] as Coverage;
      const point = isOver[index] ? undefined : points[index]?.next().value;
      if (point !== undefined) {
        await using doomed = await startKukeond({ ...at(point.moment), ...(point.after > 0 && later(point.after)) });
        const attempt = await run(args, { ...(stdin !== undefined && { stdin }) });
        if (doomed.program.signalCode === 'SIGKILL' || attempt.status !== 0) {
          expect({ name, ...point, ...attempt }).toMatchObject({
            status: 5,
            stderr: expect.stringContaining('kukeond'),
          });
          expect(await doomed.program.exited).toBe(137);
          coverage.killed++;
          coverage.last = point.moment;
        } else isOver[index] ||= point.after === 0;
      }
      const next = await startKukeond();
      const ran = await again(operation, coverage.killed);
      await next[Symbol.asyncDispose]();
      expect({ name, ...point, ...ran }).toMatchObject({ name, ...point, status: 0 });
      const said = ran.stdout + ran.stderr;
      const different = difference(expected[index] ?? [], await hostState(), [EVENTS]);
      expect({ name, ...point, different, said }).toMatchObject({ name, ...point, different: [] });
    }
  }
  tell(covered);
  expect(cutShort(covered, STRIDE)).toEqual([]);
}, 1_200_000);
