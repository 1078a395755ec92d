/** Runs a plan: as parallel as its dependencies allow, journalled before and after each step, undone or finished on failure. */
import type { ActionContext } from './backends/index.ts';
import { asKukeError, KukeError } from './errors.ts';
import type { Hooks } from './hooks.ts';
import type { PlanJournal } from './journal.ts';
import { type OperationRegistry, pick, resolveRefs } from './operations.ts';
import type { Intent, Step } from './plan.ts';

export type Phase = 'start' | 'progress' | 'done' | 'failed' | 'undo';

export interface Progress {
  phase: Phase;
  resource: string;
  /** `network.attach` */
  type: string;
  message?: string;
}

export interface ExecuteContext {
  operations: OperationRegistry;
  hooks: Hooks;
  signal: AbortSignal;
  progress(event: Progress): void;
}

export interface Execution {
  id: string;
  intent: Intent;
  steps: Step[];
  journal: PlanJournal;
  /** Of the steps that are done already, when an earlier kuke began this plan. */
  results: Map<string, unknown>;
}

type StepOutcome = 'done' | 'failed' | 'skipped';

/**
 * Runs the steps that are not done. Throws the first failure, with the others in `also`:
 * a create that fails has been undone by then, an update or delete has done all that did not depend on the failure.
 */
export async function execute(execution: Execution, context: ExecuteContext): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const outcomes = new Map<string, StepOutcome>([...execution.results.keys()].map(id => [id, 'done']));
  const begun = new Set<string>(execution.results.keys());
  const failures: KukeError[] = [];

  const runOne = async (step: Step): Promise<void> => {
    begun.add(step.id);
    try {
      await runStep(execution, step, context, signal);
      outcomes.set(step.id, 'done');
    } catch (thrown) {
      outcomes.set(step.id, 'failed');
      const error = asKukeError(thrown, signal.aborted ? 'Cancelled' : 'Failed', {
        resource: step.resource,
        step: step.type,
      });
      // What fails because an earlier failure stopped it says nothing new.
      if (!stop.signal.aborted) failures.push(error);
      context.progress({ phase: 'failed', resource: step.resource, type: step.type, message: error.message });
      if (execution.intent === 'create') stop.abort();
    }
  };

  const running = new Map<string, Promise<void>>();
  for (;;) {
    for (const step of execution.steps) {
      if (outcomes.has(step.id) || running.has(step.id)) continue;
      const verdict = signal.aborted ? 'skip' : readiness(step, execution, context, outcomes);
      if (verdict === 'skip') outcomes.set(step.id, 'skipped');
      if (verdict === 'run')
        running.set(
          step.id,
          runOne(step).finally(() => running.delete(step.id)),
        );
    }
    if (running.size === 0) break;
    await Promise.race(running.values());
  }
  const isWhole = outcomes.values().every(outcome => outcome === 'done') && execution.intent !== 'create';
  if (failures.length === 0 && context.signal.aborted && !isWhole) failures.push(cancelled(execution));
  failures.push(...stuck(execution, outcomes));
  const [first, ...others] = failures;
  if (first === undefined) return execution.journal.close();
  const undone = execution.intent === 'create' ? await undo({ ...execution, begun }, context) : [];
  if (undone.length === 0) execution.journal.close();
  throw first.with([...others, ...undone]);
}

function cancelled(execution: Execution): KukeError {
  const remedy = execution.intent === 'create' ? 'what was made has been undone' : 'run the command again to finish it';
  return new KukeError('Cancelled', 'cancelled', { ...resourceOf(execution), remedy });
}

/** A hook may have added steps that wait for one another, or for none of the plan's. */
function stuck(execution: Execution, outcomes: Map<string, StepOutcome>): KukeError[] {
  const waiting = execution.steps.filter(step => !outcomes.has(step.id));
  if (waiting.length === 0) return [];
  const named = waiting.map(step => `${step.type} waits for ${step.after.filter(id => outcomes.get(id) !== 'done')}`);
  return [new KukeError('PluginFailed', `steps that can never run: ${named.join(', ')}`, resourceOf(execution))];
}

const resourceOf = (execution: Execution) => (execution.steps[0] ? { resource: execution.steps[0].resource } : {});

/** A step waits for what it names; a delete goes on past failures, save for steps that must not come without success. */
function readiness(
  step: Step,
  execution: Execution,
  context: ExecuteContext,
  outcomes: Map<string, StepOutcome>,
): 'run' | 'wait' | 'skip' {
  const before = step.after.map(id => outcomes.get(id));
  if (before.some(outcome => outcome === undefined)) return 'wait';
  if (before.every(outcome => outcome === 'done')) return 'run';
  const insists = execution.intent !== 'delete' || context.operations.find(step.type)?.onlyAfterSuccess === true;
  return insists ? 'skip' : 'run';
}

async function runStep(execution: Execution, step: Step, context: ExecuteContext, signal: AbortSignal): Promise<void> {
  const operation = context.operations.get(step.type);
  const params = resolve(execution, step);
  const event = { planId: execution.id, stepId: step.id, type: step.type, params, resource: step.resource };
  await context.hooks.call('step:before', event);
  execution.journal.start(step.id);
  context.progress({ phase: 'start', resource: step.resource, type: step.type });
  try {
    const result = await operation.apply(params, actionContext(step, context, signal));
    execution.results.set(step.id, result);
    execution.journal.done(step.id, result);
  } catch (thrown) {
    const error = asKukeError(thrown, 'Failed', { resource: step.resource, step: step.type });
    await context.hooks.call('step:after', { ...event, error });
    throw thrown;
  }
  context.progress({ phase: 'done', resource: step.resource, type: step.type });
  await context.hooks.call('step:after', event);
}

/** Reverts the steps that began, last first; goes on after failures and returns them all. */
export async function undo(
  execution: Execution & { begun: ReadonlySet<string> },
  context: ExecuteContext,
): Promise<KukeError[]> {
  const failures: KukeError[] = [];
  const signal = new AbortController().signal; // an undoing is not to be cancelled
  for (const step of [...execution.steps].reverse()) {
    if (!execution.begun.has(step.id)) continue;
    context.progress({ phase: 'undo', resource: step.resource, type: step.type });
    try {
      const operation = context.operations.get(step.type);
      await operation.revert?.(
        resolve(execution, step),
        execution.results.get(step.id),
        actionContext(step, context, signal),
      );
      execution.journal.reverted(step.id);
    } catch (thrown) {
      const error = asKukeError(thrown, 'UndoFailed', { resource: step.resource, step: `undo ${step.type}` });
      // Something of others was in the way of a step that did not get through: it is not ours to undo.
      if (error.code === 'Conflict' && !execution.results.has(step.id)) execution.journal.reverted(step.id);
      else failures.push(error);
    }
  }
  return failures;
}

function resolve(execution: Execution, step: Step): unknown {
  return resolveRefs(step.params, ref => pick(execution.results.get(ref.$ref), ref.path));
}

function actionContext(step: Step, context: ExecuteContext, signal: AbortSignal): ActionContext {
  const progress = (message: string): void => {
    context.progress({ phase: 'progress', resource: step.resource, type: step.type, message });
  };
  return { signal, progress };
}
