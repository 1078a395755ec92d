import { expect, test } from 'bun:test';
import { KukeError } from '../../../src/kernel/errors.ts';
import { execute } from '../../../src/kernel/execute.ts';
import { makeHooks } from '../../../src/kernel/hooks.ts';
import { makeOperationRegistry } from '../../../src/kernel/operations.ts';
import { makePlan } from '../../../src/kernel/plan.ts';

const conflict = () => new KukeError('Conflict', 'somebody’s');

/** A plan of two steps: `cgroup.create`, and after it `network.open`, which fails. Both of them, when undone, meet something of others. */
async function failed(): Promise<{ error: unknown; journal: string[] }> {
  const operations = makeOperationRegistry();
  const inTheWay = async () => Promise.reject(conflict());
  operations.add({ type: 'cgroup.create', apply: async () => ({}), revert: inTheWay, explain: () => '' });
  operations.add({ type: 'network.open', apply: inTheWay, revert: inTheWay, explain: () => '' });
  const plan = makePlan('create');
  const ref = { kind: 'Cell', path: ['web'] };
  plan.add(ref, 'network.open', { path: '/run/netns/x' }, [plan.add(ref, 'cgroup.create', { path: '/kukeon' })]);
  const journal: string[] = [];
  const entry = {
    start: () => {},
    done: () => {},
    reverted: (step: string) => void journal.push(`reverted ${step}`),
    dropped: () => {},
    close: () => void journal.push('closed'),
  };
  const context = {
    operations,
    hooks: makeHooks({ timeLimitMs: 1000, warn: () => {} }),
    signal: new AbortController().signal,
    progress: () => {},
  };
  const execution = {
    id: 'p',
    intent: plan.intent,
    steps: plan.steps,
    journal: entry,
    started: new Map(),
    results: new Map(),
  };
  return { error: await execute(execution, context).catch(thrown => thrown), journal };
}

test('what was in the way of a step is not ours to undo; what is in the way of undoing what was made is told', async () => {
  const { error, journal } = await failed();
  if (!(error instanceof KukeError)) throw error;
  expect(error).toMatchObject({ code: 'Conflict', details: { step: 'network.open' } });
  expect(error.also.map(({ details }) => details.step)).toEqual(['undo cgroup.create']);
  expect(journal).toEqual(['reverted 2']);
});
