/** Runs a plan whose operations only say what they do, in an order that a test decides. */
import { KukeError } from '../../../src/kernel/errors.ts';
import { execute } from '../../../src/kernel/execute.ts';
import { makeHooks } from '../../../src/kernel/hooks.ts';
import type { PlanJournal } from '../../../src/kernel/journal.ts';
import { makeOperationRegistry } from '../../../src/kernel/operations.ts';
import { makePlan, type OnFailure, type Plan } from '../../../src/kernel/plan.ts';

export interface RunnerOptions {
  /** By step: the ones that come before it; all of them are smaller. */
  after: number[][];
  onFailure?: OnFailure;
  /** Steps that fail; with `late`, after their effect. */
  failing?: ReadonlySet<number>;
  late?: boolean;
  /** Steps whose undoing fails. */
  stubborn?: ReadonlySet<number>;
  /** Steps that only run after success. */
  cautious?: ReadonlySet<number>;
  /** Resolves when an operation is to go on. */
  turn?: (label: string) => Promise<unknown>;
  /** Operations heed the signal. */
  heedful?: boolean;
}

export interface Run {
  /** `start 0`, `end 0`, `fail 1`, `undo 0`, in order. */
  log: string[];
  /** Steps whose effect is on the host. */
  effects: Set<number>;
  journal: string[];
  /** Resolves to what execute() threw. */
  run(): Promise<KukeError | undefined>;
  abort(): void;
}

const ref = { kind: 'Cell', path: ['main', 'default', 'default', 'web'] };
const nobody: ReadonlySet<number> = new Set();

/** One `cgroup.create` a step (cautious ones are `cgroup.remove`), whose path is the step's number. */
export function numberedPlan({ after, onFailure = 'undo', cautious = nobody }: RunnerOptions): Plan {
  const plan = makePlan(onFailure);
  for (const [index, before] of after.entries()) {
    const type = cautious.has(index) ? 'cgroup.remove' : 'cgroup.create';
    plan.add(
      ref,
      type,
      { path: String(index) },
      before.map(one => ({ id: String(one + 1) })),
    );
  }
  return plan;
}

export function planRunner(options: RunnerOptions): Run {
  const { failing = nobody, stubborn = nobody, turn = async () => {}, heedful = false, late = false } = options;
  const log: string[] = [];
  const effects = new Set<number>();
  const journal: string[] = [];
  const controller = new AbortController();
  const apply = async (params: unknown, { signal }: { signal: AbortSignal }): Promise<number> => {
    const index = Number((params as { path: string }).path);
    log.push(`start ${index}`);
    await turn(`step ${index}`);
    if (heedful && signal.aborted) throw new KukeError('Cancelled', 'stopped on request');
    if (late || !failing.has(index)) effects.add(index);
    log.push(`${failing.has(index) ? 'fail' : 'end'} ${index}`);
    if (failing.has(index)) throw new Error(`no ${index}`);
    return index;
  };
  const revert = async (params: unknown): Promise<void> => {
    const index = Number((params as { path: string }).path);
    log.push(`undo ${index}`);
    await turn(`undo ${index}`);
    if (stubborn.has(index)) throw new Error(`stays ${index}`);
    effects.delete(index);
  };
  const operations = makeOperationRegistry();
  operations.add({ type: 'cgroup.create', apply, revert, explain: () => '' });
  operations.add({ type: 'cgroup.remove', apply, onlyAfterSuccess: true, explain: () => '' });
  const { steps, onFailure } = numberedPlan(options);
  const entry: PlanJournal = {
    start: step => void journal.push(`start ${Number(step) - 1}`),
    done: step => void journal.push(`done ${Number(step) - 1}`),
    undoing: () => void journal.push('undoing'),
    reverted: step => void journal.push(`reverted ${Number(step) - 1}`),
    dropped: step => void journal.push(`dropped ${Number(step) - 1}`),
    close: () => void journal.push('closed'),
    leave: () => void journal.push('left'),
  };
  const hooks = makeHooks({ timeLimitMs: 1000, warn: message => void log.push(message) });
  const context = { operations, hooks, signal: controller.signal, progress: () => {} };
  const run = () =>
    execute({ id: 'p', onFailure, steps, journal: entry, started: new Map(), results: new Map() }, context);
  return {
    log,
    effects,
    journal,
    abort: () => controller.abort(),
    run: () =>
      run().then(
        () => undefined,
        thrown => {
          if (thrown instanceof KukeError) return thrown;
          throw thrown;
        },
      ),
  };
}
