/** What became of each resource, or would: the outcomes of a command that has `--dry-run` and `--explain`. */
import type { Outcome } from '../../kernel/apply.ts';
import { shellQuote } from '../../kernel/backends/shell.ts';
import type { DryRun, PlannedStep } from '../../kernel/dry-run/dry-run.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { describe } from '../../kernel/resource.ts';
import type { Invocation } from '../command.ts';
import { planFlags } from '../plan-flags.ts';
import { comment, script } from './explain.ts';
import { printFailure } from './failure.ts';
import { exitCodeOf, linesOf, printOutcomes } from './outcomes.ts';
import { printable } from './printable.ts';
import { print } from './standard-output.ts';
import { alignColumns } from './table.ts';

/** The exit code is the first failure's, also of what would fail. */
export async function printPlanned(
  { args, line }: Pick<Invocation, 'line'> & { args: object },
  kernel: Kernel,
  outcomes: Outcome[],
): Promise<number> {
  const { isDryRun, isExplained } = planFlags(args);
  if (kernel.dryRun !== undefined && isDryRun) {
    if (!isExplained) printDryRun(kernel.dryRun, outcomes);
    else if (exitCodeOf(outcomes) === 0) print(await script(kernel, kernel.dryRun, line, await instanceOf(kernel)));
    // Half a script is none.
    for (const { error } of outcomes) if (error !== undefined) printFailure(error);
    return exitCodeOf(outcomes);
  }
  if (!isExplained) return printOutcomes(outcomes);
  for (const outcome of outcomes) {
    print(`\n${comment(linesOf(outcome, outcome.result).join('\n'))}`);
    if (outcome.error !== undefined) printFailure(outcome.error);
  }
  return exitCodeOf(outcomes);
}

/** After a purge there is none, and before it there was: the script names it by its file. */
const instanceOf = (kernel: Kernel): Promise<string> =>
  kernel.instance().then(shellQuote, () => `$(cat ${shellQuote(`${kernel.settings.runPath}/.kuke/instance`)})`);

function printDryRun({ steps, unknowns }: DryRun, outcomes: readonly Outcome[]): void {
  const own = new Set(outcomes.map(({ ref }) => describe(ref)));
  const byResource = Map.groupBy(steps, ({ resource }) => resource);
  const inWords = (text: string) => unknowns.inWords(text);
  // What is due without anybody asking, or is about the host itself, comes before all that was asked for, or after it.
  const firstOwn = steps.findIndex(({ resource }) => own.has(resource));
  const others = [...byResource].filter(([resource]) => !own.has(resource));
  const isBefore = (planned: PlannedStep[]) => planned.some(step => steps.indexOf(step) < firstOwn);
  const printOther = ([resource, planned]: [string, PlannedStep[]]): void => {
    print(`${resource} put right (dry run)`);
    printSteps(planned, inWords);
  };
  others.filter(([, planned]) => isBefore(planned)).forEach(printOther);
  for (const outcome of outcomes) {
    const [first = '', ...more] = linesOf(outcome);
    print([`${first} (dry run)`, ...more.filter(line => !line.startsWith('  put right:'))].join('\n'));
    printSteps(byResource.get(describe(outcome.ref)) ?? [], inWords);
  }
  others.filter(([, planned]) => !isBefore(planned)).forEach(printOther);
}

function printSteps(steps: readonly PlannedStep[], inWords: (text: string) => string): void {
  if (steps.length === 0) return;
  print(alignColumns(steps.map(({ type, params }) => [`  ${type}`, printable(inWords(subjectOf(params)))])));
}

/** What of the host a step is about, by the names that params go by. */
function subjectOf(params: unknown): string {
  if (typeof params !== 'object' || params === null) return '';
  const word = (key: string): string | undefined => {
    const value: unknown = Reflect.get(params, key);
    return typeof value === 'string' ? value : undefined;
  };
  const attached = word('interface');
  const name = word('id') ?? word('path') ?? word('name') ?? word('namespace') ?? '';
  return attached === undefined ? name : `${attached} to ${name}`;
}
