// containerd: once, since kuke-faults/killed.test.ts has the versions.
/**
 * The operations on a stack and its cell, killed (-9) before, in and after every step of their plans: the same command, or an apply of the
 * same manifests, converges, and the host is afterwards as after an undisturbed run. One operation begins where the other ends. CI takes
 * every fifth point, other ones for each operation; KUKE_TEST_POINTS=all takes all.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { Containerd } from '../containerd.ts';
import { container, manifest } from '../kuke/cells.ts';
import { type Ran, run } from '../kuke/kuke.ts';
import { at, installKiller, later } from '../kuke-faults/killer.ts';
import { warmHost } from '../kuke-faults/warm-host.ts';
import { difference, type Inventory } from '../observe/inventory.ts';
import { hostState } from './host-state.ts';
import { type Coverage, pointsOf, tell } from './moments.ts';

interface Operation {
  name: string;
  args: string[];
  stdin?: string;
  /** Applied instead of the same command, each second time. */
  manifests?: string;
  /** At least so many moments, one before and one after each step, less what CI leaves out at the end. */
  moments: number;
}

const manifests = (fields: object, hugepages: string, spec = {}): string => {
  const resources = { hugepages: { '2Mi': hugepages } };
  const containers = [container('main', { ports: ['8080:80'], ...fields }), container('side', { resources })];
  return [manifest('Stack', 'blog'), manifest('Cell', 'web', { stackId: 'blog', resources, containers, ...spec })]
    .map(one => JSON.stringify(one))
    .join('\n---\n');
};

const APPLY = ['apply', '-f', '-'];
const IN_BLOG = ['--stack', 'blog'];
const changed = { ports: ['8081:80'], env: ['A=1'] };
const operations: Operation[] = [
  { name: 'create', args: APPLY, stdin: manifests({}, '32Mi'), moments: 20 },
  { name: 'change in place', args: APPLY, stdin: manifests({ ports: ['8081:80'] }, '64Mi'), moments: 8 },
  { name: 'change that takes new containers', args: APPLY, stdin: manifests(changed, '64Mi'), moments: 20 },
  {
    name: 'stop',
    args: ['stop', 'cell', 'web', ...IN_BLOG],
    manifests: manifests(changed, '64Mi', { desiredState: 'stopped' }),
    moments: 7,
  },
  {
    name: 'start',
    args: ['start', 'cell', 'web', ...IN_BLOG],
    manifests: manifests(changed, '64Mi', { desiredState: 'running' }),
    moments: 14,
  },
  {
    name: 'delete the stack',
    args: ['delete', 'stack', 'blog', '--cascade', '--force', '--ignore-not-found'],
    moments: 20,
  },
];

let containerd: Containerd;
beforeAll(async () => {
  containerd = await warmHost();
  installKiller();
});
afterAll(() => containerd.stop());

const again = ({ args, stdin, manifests }: Operation, count: number): Promise<Ran> =>
  manifests !== undefined && count % 2 === 0
    ? run(APPLY, { stdin: manifests })
    : run(args, { ...(stdin !== undefined && { stdin }) });

/** A round of all operations; what the host is like after each. */
async function undisturbed(): Promise<Inventory[]> {
  const states: Inventory[] = [];
  for (const operation of operations) {
    const { name } = operation;
    expect({ name, ...(await again(operation, 1)) }).toMatchObject({ name, status: 0 });
    states.push(await hostState());
  }
  return states;
}

test('create, change, stop, start and delete', async () => {
  const expected = await undisturbed();
  // What differs although nothing happened would hide what happens.
  for (const [index, state] of (await undisturbed()).entries()) {
    const name = operations[index]?.name;
    expect({ name, different: difference(expected[index] ?? [], state) }).toEqual({ name, different: [] });
  }
  const covered: Coverage[] = operations.map(({ name }) => ({ name, killed: 0, last: 0 }));
  const points = operations.map((_, index) => pointsOf(index));
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
  const few = operations.filter(({ moments }, index) => (covered[index]?.last ?? 0) < moments);
  expect(few).toEqual([]);
}, 1_200_000);
