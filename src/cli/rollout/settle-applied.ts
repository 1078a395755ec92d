/** `apply --wait` and `--atomic`: what comes once all is applied. */
import type { Outcome } from '../../kernel/apply.ts';
import { asKukeError, KukeError } from '../../kernel/errors.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { describe } from '../../kernel/resource.ts';
import type { Invocation } from '../command.ts';
import { openJournal, withEngine } from '../open-kernel.ts';
import { exitCodeOf, printOutcomes } from '../output/outcomes.ts';
import { print } from '../output/standard-output.ts';
import { isTerminal, tell } from '../output/terminal.ts';
import { untilReady } from './ready.ts';
import { takeBack } from './take-back.ts';

type Applying = Pick<Invocation, 'globals' | 'line' | 'program' | 'signal'> & { args: object };

/** Resolves to the exit code of what was not applied; throws what keeps the rest from being Ready. */
export async function settleApplied(
  invocation: Applying,
  kernel: Kernel,
  outcomes: Outcome[],
  { timeoutMs, isAtomic }: { timeoutMs: number; isAtomic: boolean },
): Promise<number> {
  const status = exitCodeOf(outcomes);
  if (isAtomic && status !== 0) {
    tell(told(await goBack(invocation, kernel, outcomes)));
    return status;
  }
  const applied = outcomes
    .filter(({ result }) => result !== 'failed' && result !== 'not applied')
    .map(({ ref }) => ref);
  if (isTerminal(2)) tell(`waiting until all of it is Ready${isAtomic ? '; Ctrl-C takes it back' : ''}`);
  const waiting = {
    timeoutMs,
    signal: invocation.signal,
    ready: (ref: Outcome['ref'], how: string) => print(`${describe(ref)} ${how}`),
  };
  const failures = await untilReady(kernel, applied, waiting).catch((thrown: unknown) => [asKukeError(thrown)]);
  const [first, ...others] = failures;
  if (first === undefined) return status;
  if (!isAtomic) throw first.with(others);
  const remedy = told(await goBack(invocation, kernel, outcomes));
  throw new KukeError(first.code, first.message, { ...first.details, remedy }, [...first.also, ...others]);
}

/** `left`: what could not be taken back. */
const told = (left: readonly Outcome[]): string =>
  left.length === 0 ? 'what was applied has been taken back' : 'see above for what could not be taken back';

/** Called off by nobody: a second Ctrl-C ends this process, and what was under way is finished by the next command. */
async function goBack(invocation: Applying, kernel: Kernel, outcomes: Outcome[]): Promise<Outcome[]> {
  tell('what was applied is taken back');
  const { signal } = new AbortController();
  const back = await withEngine({ ...invocation, signal }, options =>
    takeBack(kernel, openJournal(invocation), outcomes, { ...options, command: `${options.command} (taken back)` }),
  );
  printOutcomes(back);
  return back.filter(({ error }) => error !== undefined);
}
