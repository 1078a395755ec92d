import { KukeError } from '../kernel/errors.ts';
import { openSources } from '../kernel/event-sources/sources.ts';
import type { Event } from '../kernel/events.ts';
import { follow } from '../kernel/logs/follow.ts';
import { readTree } from '../kernel/observe.ts';
import type { Kernel } from '../kernel/registry.ts';
import { describe, type ResourceRef } from '../kernel/resource.ts';
import { auditPath } from './audit.ts';
import { command } from './command.ts';
import { currentConsole } from './console/console.ts';
import { openKernel } from './open-kernel.ts';
import { printable } from './output/printable.ts';
import { flushOutput, isHeard, print } from './output/standard-output.ts';
import { alignColumns } from './output/table.ts';
import { colour, tell } from './output/terminal.ts';
import { tableOutputArg } from './output-arg.ts';
import { kindOf, refFor, scopeArgs } from './scope.ts';
import { sinceTime } from './since.ts';

const LAST = 100;
/** As a shell has it of a program that Ctrl-C ended. */
const INTERRUPTED = 130;

export default command({
  summary: 'see what happened: what commands did, and what kukeond has seen and done (deaths, restarts, health)',
  examples: [
    ['events', `the last ${LAST}, the oldest first`],
    ['events -w', 'and what happens from now on, until Ctrl-C'],
    ['events --for cell/web --since 2h', 'with one resource, of the last two hours'],
    ['events -o json --since 24h | jq \'select(.what=="killed")\'', 'for scripts: a JSON object a line'],
  ],
  args: {
    watch: { type: 'boolean', alias: 'w', description: 'go on: print what happens, until Ctrl-C' },
    for: { type: 'string', valueHint: 'KIND/NAME', description: 'with this resource alone' },
    since: { type: 'string', valueHint: 'TIME', description: 'all since then: 5m, 48h, or 2026-11-22T01:00:00Z' },
    last: { type: 'string', valueHint: 'N', description: `only the last so many (${LAST}; all with --since)` },
    ...tableOutputArg,
    ...scopeArgs,
  },
  async run(invocation) {
    const { args, globals, program, signal } = invocation;
    const last = args.last ?? (args.since === undefined ? String(LAST) : '9999999');
    if (!/^\d{1,7}$/.test(last)) throw new KukeError('Usage', `--last: \`${last}\` is not a number of events`);
    const since = sinceTime(args.since) ?? 0;
    const kernel = await openKernel(invocation, { reads: true });
    const ref = args.for === undefined ? undefined : refOf(kernel, args.for, args);
    const name = ref && describe(ref).toLowerCase();
    const isMeant = ({ resource, at }: Event) =>
      (name === undefined || resource.toLowerCase() === name) && Date.parse(at) >= since;
    const show = args.output === 'json' ? printJson : printTable();
    const over = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }));
    using sources = openSources(auditPath(globals), globals.runPath);
    const events = await sources.pull({ isMeant, last: Number(last), signal });
    if (signal.aborted) return INTERRUPTED;
    show(events);
    if (!args.watch) {
      if (events.length > 0 || Number(last) === 0) return 0;
      // Of one that is gone there is its past; of one that never was there is neither.
      if (ref !== undefined) (await readTree(kernel)).get(ref);
      tell('nothing of that is known to have happened');
      return 0;
    }
    const pull = async () => {
      show(await sources.pull({ isMeant }));
      await flushOutput();
      return isHeard();
    };
    await follow(sources.paths, pull, over, currentConsole().readerGone?.(program, signal));
    return signal.aborted ? INTERRUPTED : 0;
  },
});

/** Of `cell/web` or `web`. */
function refOf(kernel: Kernel, word: string, flags: Record<string, unknown>): ResourceRef {
  const [, kind = 'cell', name = word] = /^([A-Za-z]+)\/(.+)$/.exec(word) ?? [];
  return refFor(kernel, kindOf(kernel, kind, flags), name, flags);
}

const printJson = (events: readonly Event[]): void => {
  for (const one of events) print(JSON.stringify(one));
};

/** With a header before the first; columns that have grown stay so. */
function printTable(): (events: readonly Event[]) => void {
  const widths = [20, 'restarted'.length];
  let isBegun = false;
  return events => {
    if (events.length === 0) return;
    const head = isBegun ? [] : [['WHEN', 'EVENT', 'RESOURCE', 'WHAT']];
    isBegun = true;
    const lines = alignColumns([...head, ...events.map(rowOf)], widths).split('\n');
    const what = [...head.map(() => ''), ...events.map(one => one.what)];
    print(lines.map((line, index) => coloured(line, what[index] ?? '')).join('\n'));
  };
}

const rowOf = ({ at, what, resource, ...rest }: Event): string[] => [
  at.replace(/\.\d+Z$/, 'Z'),
  printable(what),
  printable(resource),
  printable(detailOf(rest)),
];

function detailOf({
  containers,
  exitCode,
  message,
  by,
  command: line,
}: Omit<Event, 'at' | 'what' | 'resource'>): string {
  const code = exitCode === undefined ? undefined : `exit code ${exitCode}`;
  const said = [code, message].filter(one => one !== undefined).join('; ');
  const whose = containers?.join(', ');
  const asked = line === undefined ? undefined : `(${by === undefined ? '' : `${by}: `}${line})`;
  return [[whose, said].filter(Boolean).join(': '), asked]
    .filter(Boolean)
    .join(' ')
    .replace(/\s*\n\s*/g, ' ');
}

const COLOURS: Readonly<Record<string, 'red' | 'yellow' | 'green'>> = {
  died: 'yellow',
  killed: 'red',
  failed: 'red',
  unhealthy: 'red',
  restarted: 'yellow',
  created: 'green',
  started: 'green',
  healthy: 'green',
};

/** After alignment, for colours have no width. */
function coloured(line: string, what: string): string {
  const shade = Object.hasOwn(COLOURS, what) ? COLOURS[what] : undefined;
  return shade === undefined ? line : line.replace(` ${what} `, ` ${colour(shade, what)} `);
}
