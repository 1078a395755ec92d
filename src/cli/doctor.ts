import { shellQuote } from '../kernel/backends/shell.ts';
import { catalogue, KukeError } from '../kernel/errors.ts';
import { command } from './command.ts';
import { openJournal, openKernel, requireRoot, withEngine } from './open-kernel.ts';
import { printable } from './output/printable.ts';
import { print } from './output/standard-output.ts';
import { colour } from './output/terminal.ts';
import { textOutputArg } from './output-arg.ts';
import { planArgs, planFlags } from './plan-flags.ts';

const MARKS = { ok: ['ok', 'green'], warning: ['warning', 'yellow'], error: ['error', 'red'] } as const;
const FIXED = ['fixed', 'green'] as const;
const DUE = ['to fix', 'yellow'] as const;

type Found = Awaited<ReturnType<typeof import('../kernel/doctor.ts').diagnose>>[number];

export default command({
  summary:
    'look for what is wrong with this host, and put it right (exit code 5: the host lacks something; 1: another error; 0: none)',
  examples: [
    ['doctor', 'what is well, what is not, and the remedies'],
    ['doctor --fix', 'removes what is left over, and brings back what is missing'],
    ['doctor --fix --dry-run', 'what that would put right; with --explain as a script'],
    ['doctor -o json', 'for scripts'],
  ],
  args: {
    fix: { type: 'boolean', description: 'put right what can be put right; asks nothing' },
    ...textOutputArg,
    ...planArgs,
  },
  async run(invocation) {
    const { fix = false, output } = invocation.args;
    const { isDryRun, isExplained } = planFlags(invocation.args);
    refuseMisuse(fix, isDryRun, isExplained, output);
    requireRoot();
    const kernel = await openKernel(invocation, { reads: !fix });
    const journal = openJournal(invocation);
    const { diagnose, foreseeRepair, repair } = await import('../kernel/doctor.ts');
    const work = isDryRun ? foreseeRepair : repair;
    const found = fix
      ? await withEngine(invocation, options => work(kernel, journal, options))
      : await diagnose(kernel, journal);
    if (kernel.dryRun !== undefined && isExplained) {
      const { script } = await import('./output/explain.ts');
      const instance = await kernel.instance();
      print(await script(kernel, kernel.dryRun, invocation.line, shellQuote(instance)));
    } else if (output === 'json') print(JSON.stringify(found, null, 2));
    else for (const one of found) print(textOf(one, isDryRun));
    return exitCode(isDryRun ? found.filter(({ fixable }) => !fixable) : found);
  },
});

function refuseMisuse(fix: boolean, isDryRun: boolean, isExplained: boolean, output: string): void {
  const flag = isDryRun ? '--dry-run' : isExplained ? '--explain' : undefined;
  if (flag !== undefined && !fix) {
    throw new KukeError('Usage', `${flag} is of --fix: without it nothing is changed`, { remedy: 'say --fix, too' });
  }
  if (isExplained && output === 'json')
    throw new KukeError('Usage', '--explain prints a script, and -o json none: leave out one of them');
}

/** Of what is still wrong; what the host lacks comes first, for the rest may follow from it. */
export function exitCode(found: readonly Found[]): number {
  const errors = found.filter(({ level, fixed }) => level === 'error' && fixed !== true);
  const codes = errors.map(({ code }) => Object.entries(catalogue).find(([name]) => name === code)?.[1].exit ?? 1);
  return codes.includes(5) ? 5 : errors.length > 0 ? 1 : 0;
}

function textOf({ level, what, remedy, fixed, fixable }: Found, isDryRun: boolean): string {
  const isDue = isDryRun && fixable && level !== 'ok';
  const [mark, tint] = fixed === true ? FIXED : isDue ? DUE : MARKS[level];
  const next = remedy === undefined || fixed === true || isDue ? '' : `\n         ${remedy}`;
  return `${colour(tint, mark.padEnd(7))}  ${printable(`${what}${next}`)}`;
}
