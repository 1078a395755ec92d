/** What start, stop and kill have in common: they write a cell's desiredState, and see to it. */
import type { ArgsDef } from 'citty';
import { apply } from '../kernel/apply.ts';
import { type DESIRED_BY, inState, refuseStateless } from '../kernel/desired-state.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from '../kernel/planning.ts';
import type { Invocation } from './command.ts';
import { parseDuration } from './duration.ts';
import { openJournal, openKernel, requireRoot, withEngine } from './open-kernel.ts';
import { doneLines } from './output/outcomes.ts';
import { printPlanned } from './output/plan.ts';
import { print } from './output/standard-output.ts';
import { planArgs, planFlags } from './plan-flags.ts';
import { kindOf, refFor, scopeArgs } from './scope.ts';

export const stateArgs = {
  kind: { type: 'positional', required: true, description: 'cell' },
  name: { type: 'positional', required: true, description: 'its name' },
  ...scopeArgs,
  ...planArgs,
} as const satisfies ArgsDef;

export const timeoutArg = {
  timeout: { type: 'string', valueHint: 'TIME', description: 'from the first signal to SIGKILL (10s)' },
} as const satisfies ArgsDef;

/** The flags of `stateArgs`, and of `timeoutArg` (stop) or `strictArg` (start). */
type StateInvocation = Omit<Invocation, 'args'> & { args: Record<string, unknown> };

export async function changeState(invocation: StateInvocation, verb: keyof typeof DESIRED_BY): Promise<number> {
  const { kind: word, name, timeout, strict } = invocation.args;
  const stopTimeoutMs = typeof timeout === 'string' ? parseDuration(timeout, '--timeout') : DEFAULT_STOP_TIMEOUT_MS;
  requireRoot(invocation);
  const kernel = await openKernel(invocation);
  const kind = kindOf(kernel, String(word), invocation.args);
  refuseStateless(kind, verb);
  const ref = refFor(kernel, kind, String(name), invocation.args);
  const [outcome] = await withEngine(invocation, options =>
    apply(kernel, openJournal(invocation), inState(kernel, ref, verb), options, {
      verb,
      stopTimeoutMs,
      strict: strict === true,
    }),
  );
  const { isDryRun, isExplained } = planFlags(invocation.args);
  const isTold = isDryRun || isExplained || outcome?.result === 'failed' || outcome?.result === 'unchanged';
  if (outcome === undefined || isTold) return printPlanned(invocation, kernel, outcome === undefined ? [] : [outcome]);
  const done = verb === 'start' ? 'started' : verb === 'stop' ? 'stopped' : 'killed';
  print(doneLines(outcome, done).join('\n'));
  return 0;
}
