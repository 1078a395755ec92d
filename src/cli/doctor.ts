import { catalogue } from '../kernel/errors.ts';
import { command } from './command.ts';
import { openJournal, openKernel, requireRoot, withEngine } from './open-kernel.ts';
import { printable } from './output/printable.ts';
import { print } from './output/standard-output.ts';
import { colour } from './output/terminal.ts';

const MARKS = { ok: ['ok', 'green'], warning: ['warning', 'yellow'], error: ['error', 'red'] } as const;
const FIXED = ['fixed', 'green'] as const;

type Found = Awaited<ReturnType<typeof import('../kernel/doctor.ts').diagnose>>[number];

export default command({
  summary:
    'look for what is wrong with this host, and put it right (exit code 5: the host lacks something; 1: another error; 0: none)',
  examples: [
    ['doctor', 'what is well, what is not, and the remedies'],
    ['doctor --fix', 'removes what is left over, and brings back what is missing'],
    ['doctor -o json', 'for scripts'],
  ],
  args: {
    fix: { type: 'boolean', description: 'put right what can be put right; asks nothing' },
    output: { type: 'enum', alias: 'o', options: ['text', 'json'], default: 'text', description: 'how it is printed' },
  },
  async run(invocation) {
    const { fix = false, output } = invocation.args;
    requireRoot();
    const kernel = await openKernel(invocation, { reads: !fix });
    const journal = openJournal(invocation);
    const { diagnose, repair } = await import('../kernel/doctor.ts');
    const found = fix
      ? await withEngine(invocation, options => repair(kernel, journal, options))
      : await diagnose(kernel, journal);
    if (output === 'json') print(JSON.stringify(found, null, 2));
    else for (const one of found) print(textOf(one));
    return exitCode(found);
  },
});

/** Of what is still wrong; what the host lacks comes first, for the rest may follow from it. */
export function exitCode(found: readonly Found[]): number {
  const errors = found.filter(({ level, fixed }) => level === 'error' && fixed !== true);
  const codes = errors.map(({ code }) => Object.entries(catalogue).find(([name]) => name === code)?.[1].exit ?? 1);
  return codes.includes(5) ? 5 : errors.length > 0 ? 1 : 0;
}

function textOf({ level, what, remedy, fixed }: Found): string {
  const [mark, tint] = fixed === true ? FIXED : MARKS[level];
  const next = remedy === undefined || fixed === true ? '' : `\n         ${remedy}`;
  return `${colour(tint, mark.padEnd(7))}  ${printable(`${what}${next}`)}`;
}
