import { asKukeError } from '../kernel/errors.ts';
import type { Finding } from '../kernel/extensible.ts';
import { reserveFindings } from '../kernel/reserve-status.ts';
import { command } from './command.ts';
import { openKernel, requireRoot } from './open-kernel.ts';
import { print } from './output/standard-output.ts';
import { colour } from './output/terminal.ts';

const MARKS = { ok: ['ok', 'green'], warning: ['warning', 'yellow'], error: ['error', 'red'] } as const;

/** Changes nothing. Exits with 1 when something is an error. */
export default command({
  summary: 'look for what is wrong with this host, and say what to do about it',
  examples: [
    ['doctor', 'what is well, what is not, and the remedies'],
    ['doctor -o json', 'for scripts'],
  ],
  args: {
    output: { type: 'enum', alias: 'o', options: ['text', 'json'], default: 'text', description: 'how it is printed' },
  },
  async run(invocation) {
    requireRoot();
    const kernel = await openKernel(invocation, { reads: true });
    const findings: Finding[] = [];
    await kernel.hooks.call('doctor', { findings });
    findings.push(...(await reserveFindings(kernel.use).catch(asFinding)));
    const isWell = findings.every(({ level }) => level !== 'error');
    if (invocation.args.output === 'json') print(JSON.stringify(findings, null, 2));
    else for (const finding of findings) print(textOf(finding));
    return isWell ? 0 : 1;
  },
});

/** Where there are no cgroups to look at, the plugin whose they are has said so. */
function asFinding(thrown: unknown): Finding[] {
  const { code, message: what, remedy } = asKukeError(thrown);
  return code === 'MetadataCorrupt' ? [{ level: 'error', what, ...(remedy !== undefined && { remedy }) }] : [];
}

function textOf({ level, what, remedy }: Finding): string {
  const [mark, tint] = MARKS[level];
  return `${colour(tint, mark.padEnd(7))}  ${what}${remedy === undefined ? '' : `\n         ${remedy}`}`;
}
