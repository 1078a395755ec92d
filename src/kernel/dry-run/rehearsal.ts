/** What a kernel is made with for a dry run. */
import { makeOperationRegistry, type OperationRegistry } from '../operations.ts';
import { type DryRun, makeDryRun } from './dry-run.ts';
import { foreseen } from './foreseen.ts';

export interface Rehearsal {
  dryRun: DryRun;
  operations: OperationRegistry;
  /** A backend as it would be after what was planned. */
  make(name: string, make: () => unknown): Promise<unknown>;
}

export function makeRehearsal(): Rehearsal {
  const dryRun = makeDryRun();
  const operations = makeOperationRegistry();
  return {
    dryRun,
    // Nothing is done ahead of a plan that is not run.
    operations: { ...operations, find: type => withoutAhead(operations.find(type)) },
    make: async (name, make) => foreseen(name, await make(), dryRun),
  };
}

function withoutAhead(operation: ReturnType<OperationRegistry['find']>): typeof operation {
  if (operation === undefined) return undefined;
  const { ahead: _, ...rest } = operation;
  return rest;
}
