// containerd: once, since kuke-faults/killed.test.ts has the versions.
/**
 * The operations on a stack and its cell, killed (-9) before, in and after every step of their plans: the same command, or an apply of the
 * same manifests, converges, and the host is afterwards as after an undisturbed run. One operation begins where the other ends. CI takes
 * every ninth point, other ones for each operation; KUKE_TEST_POINTS=all takes all.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { Containerd } from '../containerd.ts';
import { run } from '../kuke/kuke.ts';
import { at, installKiller, later } from '../kuke-faults/killer.ts';
import { warmHost } from '../kuke-faults/warm-host.ts';
import { difference } from '../observe/inventory.ts';
import { hostState } from './host-state.ts';
import { type Coverage, pointsOf, tell } from './moments.ts';
import { again, cutShort, operations, undisturbed } from './operations.ts';

const STRIDE = 9;

let containerd: Containerd;
beforeAll(async () => {
  containerd = await warmHost();
  installKiller();
});
afterAll(() => containerd.stop());

test('create, change, stop, start and delete', async () => {
  const expected = await undisturbed();
  const covered: Coverage[] = operations.map(({ name }) => ({ name, killed: 0, last: 0 }));
  const points = operations.map((_, index) => pointsOf(index, STRIDE));
  const isOver = operations.map(() => false);
  while (isOver.includes(false)) {
    for (const [index, operation] of operations.entries()) {
      const { name, stdin } = operation;
      const coverage = covered[index] as Coverage;
      const point = isOver[index] ? undefined : points[index]?.next().value;
      const env = point === undefined ? {} : { ...at(point.moment), ...(point.after > 0 && later(point.after)) };
      const attempt = await run(operation.args, { ...(stdin !== undefined && { stdin }), env });
      if (attempt.status !== null) {
        expect({ name, ...point, ...attempt }).toMatchObject({ name, status: 0 });
        // It may also have been over sooner than in the middle of its last steps.
        isOver[index] ||= point?.after === 0;
        continue;
      }
      coverage.killed++;
      coverage.last = point?.moment ?? 0;
      const ran = await again(operation, coverage.killed);
      expect({ name, ...point, ...ran }).toMatchObject({ name, ...point, status: 0 });
      const different = difference(expected[index] ?? [], await hostState());
      expect({ name, ...point, different, said: ran.stdout + ran.stderr }).toMatchObject({
        name,
        ...point,
        different: [],
      });
    }
  }
  tell(covered);
  expect(cutShort(covered, STRIDE)).toEqual([]);
}, 1_200_000);
