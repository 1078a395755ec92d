/**
 * Steps that may take long and need no lock, such as pulls and waits for others (`ahead` in an action's declaration). A plan that has some is put off: the lock
 * is given back, they are done while other kukes work on, and the resource is planned anew, without them.
 */
import { asKukeError, type KukeError } from './errors.ts';
import { actionContext, type ExecuteContext } from './execute.ts';
import { inParallel } from './parallel.ts';
import type { Plan, Step } from './plan.ts';
import { keyOf, type ResourceRef } from './resource.ts';
import { traced } from './trace.ts';

/** What is fetched from elsewhere gains little from more. */
const AT_ONCE = 3;

export interface Ahead {
  /** Whether the resource has to wait: for steps of its plan that have not been run, which are noted then, or for a resource that it lies in. */
  putsOff(ref: ResourceRef, plan: Plan): boolean;
  /** Whether it has to wait before it can be planned, for one of `others`, which come before it. */
  follows(ref: ResourceRef, others: readonly ResourceRef[]): boolean;
  /** Whether it was put off before the last `run`. */
  has(ref: ResourceRef): boolean;
  /** Something has been noted. */
  readonly isDue: boolean;
  /** Runs what was noted, each once. Never rejects: what failed is told by `without`. */
  run(): Promise<void>;
  /** The plan without the steps that have been done. Throws the failure of one. */
  without(plan: Plan): Plan;
}

export function makeAhead(context: ExecuteContext): Ahead {
  let waiting = new Map<string, ResourceRef>();
  let waited: ReadonlyMap<string, ResourceRef> = new Map();
  let noted = new Map<string, Step>();
  const outcomes = new Map<string, KukeError | undefined>();
  /** Those that have waited for steps of their own. */
  const ownDue = new Set<string>();
  const isAhead = ({ type }: Step): boolean => context.operations.find(type)?.ahead !== undefined;
  const isWait = ({ type }: Step): boolean => context.operations.find(type)?.ahead === 'wait';

  async function runOne(key: string, step: Step): Promise<void> {
    const { id: stepId, type, params, resource } = step;
    const event = { planId: 'ahead', stepId, type, params, resource };
    let error: KukeError | undefined;
    try {
      await context.hooks.call('step:before', event);
      context.progress({ phase: 'start', resource, type });
      const apply = () => context.operations.get(type).apply(params, actionContext(step, context, context.signal));
      await traced('operation', type, apply, resource);
    } catch (thrown) {
      error = asKukeError(thrown, context.signal.aborted ? 'Cancelled' : 'Failed', { resource, step: type });
    }
    outcomes.set(key, error);
    context.progress({ phase: error ? 'failed' : 'done', resource, type, ...(error && { message: error.message }) });
    await context.hooks.call('step:after', { ...event, ...(error && { error }) });
  }

  return {
    putsOff(ref, plan) {
      // Once: steps may be others each time that they are planned.
      const due = ownDue.has(keyOf(ref)) ? [] : plan.steps.filter(step => isAhead(step) && !outcomes.has(taskOf(step)));
      if (due.length > 0) ownDue.add(keyOf(ref));
      for (const step of due) if (!noted.has(taskOf(step))) noted.set(taskOf(step), step);
      const waits = due.length > 0 || waiting.values().some(other => liesIn(ref, other));
      if (waits) waiting.set(keyOf(ref), ref);
      return waits;
    },
    follows(ref, others) {
      const waits = others.some(other => waiting.has(keyOf(other)));
      if (waits) waiting.set(keyOf(ref), ref);
      return waits;
    },
    has: ref => waited.has(keyOf(ref)),
    get isDue() {
      return noted.size > 0;
    },
    async run() {
      const tasks = [...noted];
      [waited, waiting, noted] = [waiting, new Map(), new Map()];
      const [waits = [], fetches = []] = [true, false].map(wait => tasks.filter(([, step]) => isWait(step) === wait));
      await Promise.all([
        inParallel(waits, waits.length, ([key, step]) => runOne(key, step)),
        inParallel(fetches, AT_ONCE, ([key, step]) => runOne(key, step)),
      ]);
    },
    without(plan) {
      const done = new Set(plan.steps.filter(step => isAhead(step) && outcomes.has(taskOf(step))));
      for (const step of done) {
        const failure = outcomes.get(taskOf(step));
        if (failure !== undefined) throw failure.of(step.resource);
      }
      const ids = new Set([...done].map(({ id }) => id));
      const left = plan.steps.filter(step => !done.has(step));
      for (const step of left) step.after = step.after.filter(id => !ids.has(id));
      plan.steps.splice(0, plan.steps.length, ...left);
      return plan;
    },
  };
}

/** Where a command takes the lock twice, what is due or was left by others is told once. */
export function toldOnce<T extends { notice(message: string): void }>(options: T): T {
  const told = new Set<string>();
  const notice = (message: string): void => {
    if (!told.has(message)) options.notice(message);
    told.add(message);
  };
  return { ...options, notice };
}

const liesIn = (ref: ResourceRef, other: ResourceRef): boolean =>
  other.path.length < ref.path.length && other.path.every((name, depth) => ref.path[depth] === name);

/** Two steps that do the same are one. */
const taskOf = ({ type, params }: Step): string => JSON.stringify([type, params]);
