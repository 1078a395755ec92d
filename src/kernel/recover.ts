/** What a kuke that died has left is undone or finished, as its journal says, before anything else changes. */
import type { KukeError } from './errors.ts';
import { asKukeError } from './errors.ts';
import { type ExecuteContext, execute, undo } from './execute.ts';
import type { UnfinishedPlan } from './journal.ts';

export interface Recovery {
  plan: UnfinishedPlan;
  done: 'undone' | 'finished';
  /** Empty: nothing is left of it. Else it stays in the journal, and the next command goes on with it. */
  failures: KukeError[];
}

/** Under the lock only; `plans` oldest first. Begins with the newest: a later plan may have built on an earlier one. */
export async function recover(plans: readonly UnfinishedPlan[], context: ExecuteContext): Promise<Recovery[]> {
  const recoveries: Recovery[] = [];
  for (const plan of plans.toReversed()) recoveries.push(await recoverOne(plan, context));
  return recoveries;
}

/** Longer than this nobody waits without being told for what. */
const NOTICE_MS = 1000;

async function recoverOne(plan: UnfinishedPlan, context: ExecuteContext): Promise<Recovery> {
  const how = plan.onFailure === 'undo' ? 'undone' : 'finished';
  const telling = `an earlier command that did not end is being ${how}: ${plan.command}`;
  const timer = setTimeout(() => context.note?.(telling), NOTICE_MS);
  try {
    return await undoOrFinish(plan, context);
  } finally {
    clearTimeout(timer);
  }
}

async function undoOrFinish(plan: UnfinishedPlan, context: ExecuteContext): Promise<Recovery> {
  if (plan.onFailure === 'undo') {
    const failures = await undo(plan, context);
    if (failures.length === 0) await plan.journal.close();
    return { plan, done: 'undone', failures };
  }
  try {
    await execute({ ...plan, isTakenUp: true }, context);
    return { plan, done: 'finished', failures: [] };
  } catch (thrown) {
    const error = asKukeError(thrown);
    return { plan, done: 'finished', failures: [error, ...error.also] };
  }
}

/**
 * A plan that got to its end was made from what the host is like, so nothing that an earlier one still had to do with the same resource
 * is wanted any more: undone or finished later, it would act on what is there now. Returns those of which something is left.
 */
export function supersede(left: readonly UnfinishedPlan[], resources: ReadonlySet<string>): UnfinishedPlan[] {
  return left.filter(({ steps, journal }) => {
    const over = steps.filter(({ resource }) => resources.has(resource));
    for (const { id } of over) journal.dropped(id);
    if (over.length === steps.length) journal.close();
    return over.length < steps.length;
  });
}
