import { expect, test } from 'bun:test';
import { KukeError } from '../../../src/kernel/errors.ts';
import { execute } from '../../../src/kernel/execute.ts';
import { type Hooks, makeHooks } from '../../../src/kernel/hooks.ts';
import type { PlanJournal } from '../../../src/kernel/journal.ts';
import { type AnyOperation, makeOperationRegistry, type OperationRegistry } from '../../../src/kernel/operations.ts';
import { makePlan, type Plan } from '../../../src/kernel/plan.ts';

const silent = () => {};
const unheard: PlanJournal = {
  start: silent,
  done: silent,
  undoing: silent,
  reverted: silent,
  dropped: silent,
  close: silent,
  leave: silent,
};

function executed(plan: Plan, journal: PlanJournal, operations: OperationRegistry, hooks: Hooks): Promise<void> {
  const { onFailure, steps } = plan;
  const state = { started: new Map(), results: new Map() };
  const context = { operations, hooks, signal: new AbortController().signal, progress: silent };
  return execute({ id: 'p', onFailure, steps, journal, ...state }, context);
}

const conflict = () => new KukeError('Conflict', 'somebody’s');

/** A plan of two steps: `cgroup.create`, and after it `network.open`, which fails. Both of them, when undone, meet something of others. */
async function failed(): Promise<{ error: unknown; journal: string[] }> {
  const operations = makeOperationRegistry();
  const inTheWay = async () => Promise.reject(conflict());
  operations.add({ type: 'cgroup.create', apply: async () => ({}), revert: inTheWay, explain: () => '' });
  operations.add({ type: 'network.open', apply: inTheWay, revert: inTheWay, explain: () => '' });
  const plan = makePlan('undo');
  const ref = { kind: 'Cell', path: ['web'] };
  plan.add(ref, 'network.open', { path: '/run/netns/x' }, [plan.add(ref, 'cgroup.create', { path: '/kukeon' })]);
  const journal: string[] = [];
  const entry: PlanJournal = {
    ...unheard,
    reverted: step => void journal.push(`reverted ${step}`),
    close: () => void journal.push('closed'),
    leave: () => void journal.push('left'),
  };
  const hooks = makeHooks({ timeLimitMs: 1000, warn: silent });
  return { error: await executed(plan, entry, operations, hooks).catch(thrown => thrown), journal };
}

test('what was in the way of a step is not ours to undo; what is in the way of undoing what was made is told', async () => {
  const { error, journal } = await failed();
  if (!(error instanceof KukeError)) throw error;
  expect(error).toMatchObject({ code: 'Conflict', details: { step: 'network.open' } });
  expect(error.also.map(({ details }) => details.step)).toEqual(['undo cgroup.create']);
  expect(journal).toEqual(['reverted 2', 'left']);
});

/** `cgroup.create` twice, side by side, and what a test makes of them. */
function sideBySide(
  apply: (path: string, signal: AbortSignal) => Promise<unknown>,
  before: (path: string) => void = () => {},
) {
  const operations = makeOperationRegistry();
  const log: string[] = [];
  const pathOf = (params: unknown): string => String((params as { path: string }).path);
  const create: AnyOperation = {
    type: 'cgroup.create',
    look: async params => `seen ${pathOf(params)}`,
    apply: (params, { signal }) => apply(pathOf(params), signal),
    revert: async (params, found) => void log.push(`undo ${pathOf(params)}: ${found}`),
    explain: () => '',
  };
  operations.add(create);
  const plan = makePlan('undo');
  for (const path of ['/a', '/b']) plan.add({ kind: 'Cell', path: ['web'] }, 'cgroup.create', { path });
  const hooks = makeHooks({ timeLimitMs: 1000, warn: silent });
  hooks.tap('test', 'step:before', ({ params }) => before(pathOf(params)));
  const journal: PlanJournal = {
    ...unheard,
    start: (step, found) => void log.push(`start ${step}: ${found}`),
  };
  return { log, run: () => executed(plan, journal, operations, hooks).catch((thrown: KukeError) => thrown) };
}

test('a step that a hook refused has not begun, so nothing of it is undone; what the others found is known', async () => {
  const { log, run } = sideBySide(
    async () => undefined,
    path => {
      if (path === '/b') throw new Error('not here');
    },
  );
  expect(await run()).toMatchObject({ code: 'PluginFailed', message: 'not here' });
  expect(log).toEqual(['start 1: seen /a', 'undo /a: seen /a']);
});

test('failures that have nothing to do with one another are all told, and what the first one called off is not', async () => {
  const gate = Promise.withResolvers<void>();
  const both = sideBySide(async path => {
    if (path === '/b') await gate.promise;
    else gate.resolve();
    throw new Error(`no ${path}`);
  });
  expect(await both.run()).toMatchObject({ message: 'no /a', also: [{ code: 'Failed', message: 'no /b' }] });
  const called = sideBySide(async (path, signal) => {
    if (path === '/a') throw new Error('no /a');
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  });
  expect(await called.run()).toMatchObject({ message: 'no /a', also: [] });
});

test('a bug of kuke’s own is told as one', async () => {
  const { run } = sideBySide(async path => {
    if (path === '/a') throw new TypeError('undefined is not a function');
  });
  expect(await run()).toMatchObject({ code: 'Internal', remedy: expect.stringContaining('report it') });
});

test('what needed another step is undone before that one, wherever it stands in the plan', async () => {
  const operations = makeOperationRegistry();
  const log: string[] = [];
  const pathOf = (params: unknown): string => String((params as { path: string }).path);
  operations.add({
    type: 'cgroup.create',
    async apply(params: unknown) {
      if (pathOf(params) === '/fails') throw new Error('in the way');
    },
    revert: async (params: unknown) => void log.push(pathOf(params)),
    explain: () => '',
  });
  const plan = makePlan('undo');
  const ref = { kind: 'Cell', path: ['web'] };
  const needy = plan.add(ref, 'cgroup.create', { path: '/needy' });
  plan.add(ref, 'cgroup.create', { path: '/fails' }, [needy]);
  // As a plugin adds what has to come first.
  const needed = plan.add(ref, 'cgroup.create', { path: '/needed' });
  plan.steps.find(({ id }) => id === needy.id)?.after.push(needed.id);
  const hooks = makeHooks({ timeLimitMs: 1000, warn: silent });
  const told: string[] = [];
  hooks.tap('test', 'undo:before', ({ params }) => void told.push(`before ${pathOf(params)}`));
  hooks.tap(
    'test',
    'undo:after',
    ({ params, error }) => void told.push(`after ${pathOf(params)} ${error?.message ?? ''}`),
  );
  await expect(executed(plan, unheard, operations, hooks)).rejects.toThrow('in the way');
  expect(log).toEqual(['/fails', '/needy', '/needed']);
  expect(told).toEqual(log.flatMap(path => [`before ${path}`, `after ${path} `]));
});

test('what would only tell more of a failure fails nothing', async () => {
  const operations = makeOperationRegistry();
  const done: string[] = [];
  operations.add({ type: 'cgroup.create', apply: async () => void done.push('made'), explain: () => '' });
  const plan = makePlan('undo');
  plan.add({ kind: 'Cell', path: ['web'] }, 'cgroup.create', { path: '/a' }, [], async () => {
    throw new Error('no counters');
  });
  const hooks = makeHooks({ timeLimitMs: 1000, warn: silent });
  await executed(plan, unheard, operations, hooks);
  expect(done).toEqual(['made']);
});

test('an undoing goes by the plan, and not by which of its steps was quicker', async () => {
  const operations = makeOperationRegistry();
  const log: string[] = [];
  const pathOf = (params: unknown): string => String((params as { path: string }).path);
  const isQuick = Promise.withResolvers<void>();
  operations.add({
    type: 'cgroup.create',
    async look(params: unknown) {
      if (pathOf(params) === '/slow') await isQuick.promise;
    },
    async apply(params: unknown) {
      log.push(pathOf(params));
      isQuick.resolve();
      if (pathOf(params) === '/slow') throw new Error('no slow one');
    },
    revert: async (params: unknown) => void log.push(`undo ${pathOf(params)}`),
    explain: () => '',
  });
  const plan = makePlan('undo');
  for (const path of ['/slow', '/quick']) plan.add({ kind: 'Cell', path: ['web'] }, 'cgroup.create', { path });
  const hooks = makeHooks({ timeLimitMs: 1000, warn: silent });
  await expect(executed(plan, unheard, operations, hooks)).rejects.toThrow('no slow one');
  expect(log).toEqual(['/quick', '/slow', 'undo /quick', 'undo /slow']);
});

test('what would be in the way of undoing does not begin where another step fails while it looks', async () => {
  const operations = makeOperationRegistry();
  const log: string[] = [];
  const hasFailed = Promise.withResolvers<void>();
  operations.add({
    type: 'cgroup.create',
    apply: async () => Promise.reject(new Error('no group')),
    revert: async () => void log.push('undone'),
    explain: () => '',
  });
  operations.add({
    type: 'network.close',
    irreversible: true,
    look: () => hasFailed.promise,
    apply: async () => void log.push('closed'),
    explain: () => '',
  });
  const plan = makePlan('undo');
  const ref = { kind: 'Cell', path: ['web'] };
  plan.add(ref, 'network.close', { path: '/run/netns/x' });
  plan.add(ref, 'cgroup.create', { path: '/a' });
  const hooks = makeHooks({ timeLimitMs: 1000, warn: silent });
  hooks.tap('test', 'step:after', () => void setTimeout(hasFailed.resolve));
  await expect(executed(plan, unheard, operations, hooks)).rejects.toThrow('no group');
  expect(log).toEqual(['undone']);
});

test('a step of which the journal could not be told has not begun: it is not undone, the others are', async () => {
  const operations = makeOperationRegistry();
  const log: string[] = [];
  const explain = () => '';
  const pathOf = (params: unknown): string => String((params as { path: string }).path);
  const apply = async (params: unknown) => void log.push(`made ${pathOf(params)}`);
  const revert = async (params: unknown) => void log.push(`undone ${pathOf(params)}`);
  operations.add({ type: 'cgroup.create', apply, revert, explain });
  const plan = makePlan('undo');
  const ref = { kind: 'Cell', path: ['web'] };
  plan.add(ref, 'cgroup.create', { path: '/two' }, [plan.add(ref, 'cgroup.create', { path: '/one' })]);
  const full = new KukeError('HostNotReady', 'no space left');
  const start = async (step: string) => {
    if (step === '2') throw full;
  };
  const entry = { ...unheard, start };
  const hooks = makeHooks({ timeLimitMs: 1000, warn: silent });
  expect(await executed(plan, entry, operations, hooks).catch(thrown => thrown.message)).toContain('no space left');
  expect(log).toEqual(['made /one', 'undone /one']);
});
