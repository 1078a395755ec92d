import os from 'node:os';
import { asKukeError } from '../kernel/errors.ts';
import type { Resource } from '../kernel/kinds.ts';
import { makeObserveContext, observed, readTree } from '../kernel/observe.ts';
import { inParallel } from '../kernel/parallel.ts';
import type { Kernel } from '../kernel/registry.ts';
import { describe } from '../kernel/resource.ts';
import { command, type Invocation } from './command.ts';
import { answerText, type DaemonLook, lookAtDaemon } from './daemon/look.ts';
import { openJournal, openKernel } from './open-kernel.ts';
import { bytes } from './output/bytes.ts';
import { printable } from './output/printable.ts';
import { print } from './output/standard-output.ts';
import { colour } from './output/terminal.ts';
import { textOutputArg } from './output-arg.ts';

/** As `kuke status -o json` prints it. */
export interface Status {
  version: string;
  bun: string;
  daemon: DaemonLook;
  /** Absent: it does not answer. */
  runtime?: { name: string; version: string };
  host: { hostname: string; kernel: string; arch: string; cpus: number; memoryBytes: number };
  plugins: { name: string; version: string; origin: string }[];
  /** How many cells, by the state that they are in. */
  cells: Record<string, number>;
  /** Resources that are not as their manifests have them. */
  drift: { resource: string; what: string }[];
  /** What else `kuke doctor` has to say. */
  problems: number;
  /** What could not be found out, and why. */
  unknown: string[];
}

export default command({
  summary: 'see how kuke is: the daemon, the host, versions, plugins, and what is not as it was asked for',
  examples: [
    ['status', 'at a glance; `kuke doctor` says more of what is wrong'],
    ['status -o json', 'for scripts'],
  ],
  args: {
    ...textOutputArg,
  },
  async run(invocation) {
    const kernel = await openKernel(invocation, { reads: true });
    const status = await gather(kernel, invocation);
    print(invocation.args.output === 'json' ? JSON.stringify(status, null, 2) : textOf(status));
    return 0;
  },
});

async function gather(kernel: Kernel, invocation: Pick<Invocation, 'globals' | 'line' | 'program' | 'signal'>) {
  const unknown: string[] = [];
  const known = async <T>(what: string, ask: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await ask();
    } catch (thrown) {
      unknown.push(`${what}: ${asKukeError(thrown).fault}`);
      return undefined;
    }
  };
  const { diagnose } = await import('../kernel/doctor.ts');
  const runtime = await known('containerd', async () => (await kernel.use('runtime')).ping());
  const cells = (await known('cells', () => lookAtCells(kernel))) ?? [];
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) unknown.push('drift: only root, or kukeond, can look at the host');
  const found = isRoot ? ((await known('drift', () => diagnose(kernel, openJournal(invocation)))) ?? []) : [];
  const wrong = found.filter(({ level }) => level !== 'ok');
  const isTold = new Set(wrong.map(({ resource }) => resource));
  // What an apply would leave as it is, for it has ended: a cell that is to run, all the same.
  const ended = isRoot ? cells.flatMap(({ drift: one }) => (one && !isTold.has(one.resource) ? [one] : [])) : [];
  const ofResources = wrong.flatMap(({ resource, what }) => (resource === undefined ? [] : [{ resource, what }]));
  const drift = [...ofResources, ...ended];
  const status: Status = {
    version: await invocation.program.version(),
    bun: Bun.version,
    daemon: await lookAtDaemon(invocation),
    ...(runtime && { runtime }),
    host: {
      hostname: os.hostname(),
      kernel: os.release(),
      arch: process.arch,
      cpus: os.availableParallelism(),
      memoryBytes: os.totalmem(),
    },
    plugins: kernel.plugins.map(({ name, version, origin }) => ({ name, version, origin })),
    cells: Object.fromEntries([...Map.groupBy(cells, ({ state }) => state)].map(([state, all]) => [state, all.length])),
    drift,
    problems: wrong.length - ofResources.length,
    unknown,
  };
  return status;
}

interface CellLook {
  state: string;
  drift?: Status['drift'][number];
}

const AT_ONCE = 8;

/** As `get cells` sees them, and whether that is what is asked for, as `rollout status` does. */
async function lookAtCells(kernel: Kernel): Promise<CellLook[]> {
  const { verdictOf } = await import('../kernel/rollout/ready.ts');
  const tree = await readTree(kernel);
  const context = makeObserveContext(tree);
  const supervision = kernel.kinds.get('Cell').lifecycle?.supervision;
  const lookAt = async (stored: Resource): Promise<CellLook> => {
    const cell = await observed(kernel, context, stored);
    const state = String(cell.manifest.status?.state);
    if (state === 'Ready' || state === 'Unknown') return { state };
    const verdict = verdictOf(cell, await supervision?.look(context, cell));
    if (verdict.is === 'ready') return { state };
    const resource = describe(cell.ref);
    return { state, drift: { resource, what: `${resource} is to run, and is ${verdict.why}` } };
  };
  return inParallel(tree.all('Cell'), AT_ONCE, lookAt);
}

export function textOf({ version, daemon, runtime, host, plugins, cells, drift, problems, unknown }: Status): string {
  const others = plugins
    .filter(({ origin }) => origin !== 'built-in')
    .map(one => printable(`${one.name} ${one.version}`));
  const counts = Object.entries(cells).map(([state, count]) => `${count} ${state}`);
  const rows: [string, string][] = [
    ['kuke', version],
    ['kukeond', daemonText(daemon)],
    ['containerd', runtime === undefined ? colour('red', 'does not answer') : printable(runtime.version)],
    [
      'host',
      `${host.hostname}: Linux ${host.kernel}, ${host.arch}, ${host.cpus} CPUs, ${bytes(host.memoryBytes)} of memory`,
    ],
    ['plugins', [`${plugins.length - others.length} built-in`, ...others].join(', ')],
    ['cells', counts.length === 0 ? 'none' : counts.join(', ')],
    [
      'drift',
      driftText(
        drift.length,
        unknown.some(what => what.startsWith('drift: ')),
      ),
    ],
  ];
  const lines = rows.map(([name, value]) => `${name.padEnd(12)}${value}`);
  lines.push(...drift.map(({ what }) => `  ${printable(what)}`));
  if (problems > 0) lines.push(`doctor      ${colour('yellow', `${problems} more to tell`)}: kuke doctor`);
  lines.push(...unknown.map(what => `not known   ${printable(what)}`));
  return lines.join('\n');
}

function driftText(count: number, isUnknown: boolean): string {
  if (isUnknown) return 'not known';
  return count === 0 ? colour('green', 'none') : colour('yellow', `${count} not as asked for`);
}

function daemonText({ running, answers, pid, version, unit, startedAt, ...rest }: DaemonLook): string {
  if (!running) return `${colour('yellow', 'not running')} (sudo kuke daemon start)`;
  const how = answers ? colour('green', 'running') : `running, but its socket ${answerText({ answers, ...rest })}`;
  const since = startedAt === undefined ? '' : `, since ${startedAt.replace(/\.\d+Z$/, 'Z')}`;
  return `${how} (pid ${pid}${since}${version === undefined ? '' : `, version ${version}`}${unit === undefined ? '' : `, ${unit}`})`;
}
