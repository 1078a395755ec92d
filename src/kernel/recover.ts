/** What a kuke that died has left is undone (creates) or finished (deletes and updates) before anything else changes. */
import type { KukeError } from './errors.ts';
import { asKukeError } from './errors.ts';
import { type ExecuteContext, execute, undo } from './execute.ts';
import type { Journal, UnfinishedPlan } from './journal.ts';

export interface Recovery {
  command: string;
  done: 'undone' | 'finished';
  /** Empty: nothing is left of it. */
  failures: KukeError[];
}

/** Under the lock only. Newest first: a later plan may have built on an earlier one. */
export async function recover(journal: Journal, context: ExecuteContext): Promise<Recovery[]> {
  const recoveries: Recovery[] = [];
  for (const plan of journal.unfinished().reverse()) recoveries.push(await recoverOne(plan, context));
  return recoveries;
}

async function recoverOne(plan: UnfinishedPlan, context: ExecuteContext): Promise<Recovery> {
  const { command } = plan;
  if (plan.intent === 'create') {
    const failures = await undo({ ...plan, begun: plan.started }, context);
    // What could not be undone stays in the journal, and is tried again by the next command.
    if (failures.length === 0) plan.journal.close();
    return { command, done: 'undone', failures };
  }
  try {
    await execute(plan, context);
    return { command, done: 'finished', failures: [] };
  } catch (thrown) {
    const error = asKukeError(thrown);
    return { command, done: 'finished', failures: [error, ...error.also] };
  }
}
