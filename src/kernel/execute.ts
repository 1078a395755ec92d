/** Runs a plan: as parallel as its dependencies allow, journalled before and after each step, undone or finished on failure. */
import type { ActionContext, Transfer } from './backends/index.ts';
import { asKukeError, KukeError } from './errors.ts';
import type { Hooks } from './hooks.ts';
import type { PlanJournal } from './journal.ts';
import type { OperationRegistry } from './operations.ts';
import { othersTurn } from './others-turn.ts';
import { inOrder, type OnFailure, type Step } from './plan.ts';
import { pick, resolveRefs } from './step-references.ts';
import { traced } from './trace.ts';

export type Phase = 'start' | 'progress' | 'done' | 'failed' | 'undo';

export interface Progress {
  phase: Phase;
  resource: string;
  /** `network.attach` */
  type: string;
  message?: string;
  /** How far a part of it has come; `message` says it in words where something has ended. */
  transfer?: Transfer;
}

export interface ExecuteContext {
  operations: OperationRegistry;
  hooks: Hooks;
  signal: AbortSignal;
  progress(event: Progress): void;
  /** A line for the person, which stays. */
  note?(message: string): void;
}

export interface Execution {
  id: string;
  onFailure: OnFailure;
  steps: Step[];
  journal: PlanJournal;
  /** The steps that have begun, with what each found before it, when an earlier kuke began this plan. */
  started: Map<string, unknown>;
  /** Of the steps that are done already. */
  results: Map<string, unknown>;
  /** An earlier kuke began it: what cannot be finished now stays in the journal, for the next one. */
  isTakenUp?: boolean;
  /** Called when every step is done, and the journal does not say so yet. */
  whole?(): void;
}

type StepOutcome = 'done' | 'failed' | 'skipped';

/**
 * Runs the steps that are not done. Throws the first failure, with the others in `also`:
 * by then it has been undone, or all has been done that its `onFailure` says.
 */
export async function execute(execution: Execution, context: ExecuteContext): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const outcomes = new Map<string, StepOutcome>([...execution.results.keys()].map(id => [id, 'done']));
  const failures: KukeError[] = [];
  const [holding, tell] = holdingNotes(context);

  const runOne = async (step: Step): Promise<void> => {
    try {
      await runStep(execution, step, holding, signal);
      outcomes.set(step.id, 'done');
    } catch (thrown) {
      outcomes.set(step.id, 'failed');
      const where = { resource: step.resource, step: step.type, operation: step.type };
      const error = asKukeError(thrown, isAbort(thrown, signal) ? 'Cancelled' : 'Failed', where);
      // What an earlier failure called off says nothing new.
      if (error.code !== 'Cancelled' || !stop.signal.aborted) failures.push(error);
      context.progress({ phase: 'failed', resource: step.resource, type: step.type, message: error.message });
      if (canUndo(execution, context)) stop.abort();
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
  const isWhole = outcomes.values().every(outcome => outcome === 'done') && !canUndo(execution, context);
  const isCancelled = failures.length === 0 && context.signal.aborted && !isWhole;
  failures.push(...stuck(execution, outcomes));
  if (failures.length === 0 && !isCancelled) {
    tell(false);
    execution.whole?.();
    return execution.journal.close();
  }
  throw await failed(execution, context, failures, tell);
}

/** All that went wrong, the first of it with the others, when what can be undone has been. Without a failure it was called off. */
async function failed(
  execution: Execution,
  context: ExecuteContext,
  failures: readonly KukeError[],
  tell: (isUndone: boolean) => void,
): Promise<KukeError> {
  const isUndoable = canUndo(execution, context);
  const left = isUndoable ? await undo(execution, context) : [];
  const isUndone = isUndoable && left.length === 0;
  tell(isUndone);
  if (isUndone || (!isUndoable && execution.isTakenUp !== true)) await execution.journal.close();
  else execution.journal.leave();
  const remedy = isUndone ? UNDONE : isUndoable ? HALF_UNDONE : GO_ON;
  const [first = cancelled(execution, remedy), ...others] = failures;
  return first.with([...others, ...left]);
}

const UNDONE = 'what was made has been undone';
const HALF_UNDONE = 'the next command undoes the rest of what was made';
const GO_ON = 'try again to finish it';

/** It is to be undone, and nothing has been ended or taken away yet. */
function canUndo({ onFailure, steps, started }: Execution, { operations }: ExecuteContext): boolean {
  return (
    onFailure === 'undo' &&
    !steps.some(({ id, type }) => started.has(id) && operations.find(type)?.irreversible === true)
  );
}

/** Only at the end is it known whether what a step tells lasts. */
function holdingNotes(context: ExecuteContext): [ExecuteContext, tell: (isUndone: boolean) => void] {
  const notes: string[] = [];
  const tell = (isUndone: boolean) => {
    const fate = isUndone ? '; that has been undone' : '';
    for (const message of notes) context.note?.(`${message}${fate}`);
  };
  return [{ ...context, note: message => notes.push(message) }, tell];
}

/** What a call that was called off throws, where that is no error of kuke's. */
function isAbort(thrown: unknown, signal: AbortSignal): boolean {
  if (!signal.aborted) return false;
  return thrown === signal.reason || (thrown instanceof Error && thrown.name === 'AbortError');
}

function cancelled(execution: Execution, remedy: string): KukeError {
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
  const insists = execution.onFailure !== 'goOn' || context.operations.find(step.type)?.onlyAfterSuccess === true;
  return insists ? 'skip' : 'run';
}

async function runStep(execution: Execution, step: Step, context: ExecuteContext, signal: AbortSignal): Promise<void> {
  await othersTurn();
  const operation = context.operations.get(step.type);
  const params = resolve(execution, step);
  const event = { planId: execution.id, stepId: step.id, type: step.type, params, resource: step.resource };
  await context.hooks.call('step:before', event);
  if (!execution.started.has(step.id)) {
    // Only what is to be undone has to know what it may not take away.
    const looks = canUndo(execution, context);
    const look = () => operation.look?.(params, actionContext(step, context, signal));
    const found = looks ? await traced('operation', `look: ${step.type}`, look, step.resource) : undefined;
    // Another step has failed just now, and this one would be in the way of undoing.
    if (operation.irreversible && execution.onFailure === 'undo') signal.throwIfAborted();
    // From here on it counts as begun, while the journal is told, too.
    execution.started.set(step.id, found);
    try {
      await execution.journal.start(step.id, found);
    } catch (thrown) {
      execution.started.delete(step.id);
      throw thrown;
    }
  }
  context.progress({ phase: 'start', resource: step.resource, type: step.type });
  // What could tell more of a failure is no reason to fail.
  const judge = await step.watch?.().catch(() => undefined);
  try {
    const apply = () => operation.apply(params, actionContext(step, context, signal));
    const result = await traced('operation', step.type, apply, step.resource);
    execution.results.set(step.id, result);
    await execution.journal.done(step.id, result);
  } catch (thrown) {
    const error = asKukeError(thrown, 'Failed', { resource: step.resource, step: step.type });
    const judged = signal.aborted ? undefined : await judge?.(error).catch(() => error);
    await context.hooks.call('step:after', { ...event, error: judged ?? error });
    throw judged ?? thrown;
  }
  context.progress({ phase: 'done', resource: step.resource, type: step.type });
  await context.hooks.call('step:after', event);
}

/** Reverts the steps that began in the reverse order of the plan, so none before one that needed it; goes on after failures and returns them all. */
export async function undo(execution: Execution, context: ExecuteContext): Promise<KukeError[]> {
  const failures: KukeError[] = [];
  if (execution.started.size > 0) execution.journal.undoing();
  for (const step of inOrder(execution.steps).reverse()) {
    if (!execution.started.has(step.id)) continue;
    const failure = await undoOne(execution, step, context);
    if (failure === undefined) execution.journal.reverted(step.id);
    else failures.push(failure);
  }
  return failures;
}

async function undoOne(execution: Execution, step: Step, context: ExecuteContext): Promise<KukeError | undefined> {
  const { id: stepId, type, resource } = step;
  const signal = new AbortController().signal; // an undoing is not to be cancelled
  context.progress({ phase: 'undo', resource, type });
  const event = { planId: execution.id, stepId, type, params: step.params, resource };
  let error: KukeError | undefined;
  try {
    const operation = context.operations.get(type);
    event.params = resolve(execution, step);
    await context.hooks.call('undo:before', event);
    const found = execution.started.get(stepId);
    const revert = () => operation.revert?.(event.params, found, actionContext(step, context, signal));
    await traced('operation', `undo: ${type}`, revert, resource);
  } catch (thrown) {
    error = asKukeError(thrown, 'UndoFailed', { resource, step: `undo ${type}` });
    // Something of others was in the way of a step that did not get through: it is not ours to undo.
    if (error.code === 'Conflict' && !execution.results.has(stepId)) error = undefined;
  }
  await context.hooks.call('undo:after', { ...event, ...(error && { error }) });
  return error;
}

function resolve(execution: Execution, step: Step): unknown {
  return resolveRefs(step.params, step.refs ?? [], ref => pick(execution.results.get(ref.step), ref.path));
}

export function actionContext(step: Step, context: ExecuteContext, signal: AbortSignal): ActionContext {
  const { resource, type } = step;
  const progress = (message: string, transfer?: Transfer): void => {
    context.progress({ phase: 'progress', resource, type, message, ...(transfer && { transfer }) });
  };
  return { signal, progress, note: message => context.note?.(`${step.resource}: ${message}`) };
}
