/** What start, stop and kill have in common: they write a cell's desiredState, and see to it. */
import type { ArgsDef } from 'citty';
import { apply } from '../kernel/apply.ts';
import { type DESIRED_BY, inState, refuseStateless } from '../kernel/desired-state.ts';
import type { KindDefinition } from '../kernel/kinds.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from '../kernel/planning.ts';
import type { Invocation } from './command.ts';
import { parseDuration } from './duration.ts';
import { openJournal, openKernel, requireRoot, withEngine } from './open-kernel.ts';
import { printOutcomes } from './output/outcomes.ts';
import { printPlanned } from './output/plan.ts';
import { planArgs, planFlags } from './plan-flags.ts';
import { kindOf, namedRefs, scopeArgs } from './scope.ts';

export const stateArgs = {
  kind: { type: 'positional', required: true, description: 'cell' },
  name: { type: 'positional', required: true, description: 'its name, or several, or KIND/NAME' },
  ...scopeArgs,
  ...planArgs,
} as const satisfies ArgsDef;

export const timeoutArg = {
  timeout: { type: 'string', valueHint: 'TIME', description: 'from the first signal to SIGKILL (10s)' },
} as const satisfies ArgsDef;

/** The flags of `stateArgs`, and of `timeoutArg` (stop) or `strictArg` (start). */
type StateInvocation = Omit<Invocation, 'args'> & { args: Record<string, unknown> };

const DONE = { start: 'started', stop: 'stopped', kill: 'killed' } as const;

export async function changeState(invocation: StateInvocation, verb: keyof typeof DESIRED_BY): Promise<number> {
  const { args, lists } = invocation;
  const { kind: word, timeout, strict } = args;
  const stopTimeoutMs = typeof timeout === 'string' ? parseDuration(timeout, '--timeout') : DEFAULT_STOP_TIMEOUT_MS;
  requireRoot(invocation);
  const kernel = await openKernel(invocation);
  const check = (kind: KindDefinition) => refuseStateless(kind, verb);
  const refs = namedRefs(kernel, kindOf(kernel, String(word), args), lists.name ?? [], args, check);
  const outcomes = await withEngine(invocation, options =>
    apply(kernel, openJournal(invocation), inState(kernel, refs, verb), options, {
      verb,
      stopTimeoutMs,
      strict: strict === true,
    }),
  );
  const { isDryRun, isExplained } = planFlags(args);
  if (isDryRun || isExplained) return printPlanned(invocation, kernel, outcomes);
  return printOutcomes(outcomes, DONE[verb]);
}
