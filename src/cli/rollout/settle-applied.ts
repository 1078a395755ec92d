/** `apply --wait` and `--atomic` on the command line. */
import type { Outcome } from '../../kernel/apply.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { describe } from '../../kernel/resource.ts';
import { type SettleOptions, settle, toldBack } from '../../kernel/rollout/settle.ts';
import { takeBack } from '../../kernel/rollout/take-back.ts';
import type { Invocation } from '../command.ts';
import { openJournal, withEngine } from '../open-kernel.ts';
import { exitCodeOf, printOutcomes } from '../output/outcomes.ts';
import { print } from '../output/standard-output.ts';
import { isTerminal, tell } from '../output/terminal.ts';

type Applying = Pick<Invocation, 'globals' | 'line' | 'program' | 'signal'> & { args: object };

/** Resolves to the exit code of what was not applied; throws what keeps the rest from being Ready. */
export async function settleApplied(
  invocation: Applying,
  kernel: Kernel,
  outcomes: Outcome[],
  options: SettleOptions,
): Promise<number> {
  const status = exitCodeOf(outcomes);
  const isWaiting = !options.isAtomic || status === 0;
  if (isWaiting && isTerminal(2))
    tell(`waiting until all of it is Ready${options.isAtomic ? '; Ctrl-C takes it back' : ''}`);
  const { error, takenBack } = await settle(kernel, outcomes, {
    ...options,
    signal: invocation.signal,
    journal: openJournal(invocation),
    ready: (ref, how) => print(`${describe(ref)} ${how}`),
    goBack: () => goBack(invocation, kernel, outcomes),
  });
  if (error !== undefined) throw error;
  if (takenBack !== undefined) tell(toldBack(takenBack));
  return status;
}

/** Called off by nobody: a second Ctrl-C ends this process, and what was under way is finished by the next command. */
async function goBack(invocation: Applying, kernel: Kernel, outcomes: Outcome[]): Promise<Outcome[]> {
  tell('what was applied is taken back');
  const { signal } = new AbortController();
  const back = await withEngine({ ...invocation, signal }, options =>
    takeBack(kernel, openJournal(invocation), outcomes, { ...options, command: `${options.command} (taken back)` }),
  );
  printOutcomes(back);
  return back;
}
