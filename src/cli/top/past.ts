/** What kukeond has kept of the last hour: `top --last`. */
import { KukeError } from '../../kernel/errors.ts';
import { readTree } from '../../kernel/observe.ts';
import type { Kernel } from '../../kernel/registry.ts';
import type { PastUse, Use, UsedBy } from '../../kernel/usage.ts';
import type { Invocation } from '../command.ts';
import { currentConsole } from '../console/console.ts';
import { placesOf as daemonPlacesOf, notAnswering } from '../daemon/own-service.ts';
import { parseDuration } from '../duration.ts';
import { warn } from '../output/failure.ts';
import { print } from '../output/standard-output.ts';
import { isTerminal, tell } from '../output/terminal.ts';
import { formatRows, pastColumns, SPARK } from './columns.ts';
import { placesOf } from './places.ts';
import { type Row, rowsWithWhole, type Sort } from './rows.ts';

const LONGEST_MS = 3_600_000;
/** Between two readings of kukeond's. */
const LEAST_MS = 20_000;

export interface PastOptions {
  /** As it was typed: `1h`. */
  last: string;
  level: string;
  /** As `placesOf` has it. */
  scope: Readonly<Record<string, unknown>>;
  sort: Sort;
  isJson: boolean;
}

/** Throws HostNotReady where kukeond does not answer. */
export async function showPast(
  kernel: Kernel,
  invocation: Pick<Invocation, 'globals' | 'signal'>,
  { last, level, scope, sort, isJson }: PastOptions,
): Promise<void> {
  const lastMs = parseDuration(last, '--last');
  if (lastMs < LEAST_MS || lastMs > LONGEST_MS) throw new KukeError('Usage', '--last: give 20s to 1h');
  if (sort === 'pids') throw new KukeError('Usage', '--sort pids: they are not kept', { remedy: 'leave out --last' });
  const tree = await readTree(kernel);
  const places = placesOf(kernel, tree, level, scope);
  const past = await askPast(invocation, { lastMs, ...(!isJson && { points: SPARK }) });
  for (const { path, message } of tree.problems) warn(`${path}: ${message}`);
  const byCgroup = new Map([past.total, ...past.items].map(one => [one.cgroup, one]));
  const usedBy = (cgroup?: string): UsedBy => (cgroup === undefined ? {} : (byCgroup.get(cgroup) ?? {}));
  const rows = rowsWithWhole(places, sort, cgroup => averageUse(usedBy(cgroup)));
  if (isJson) return print(JSON.stringify(pastJson(past, rows, usedBy), null, 2));
  const width = isTerminal(1) ? currentConsole().size(1).columns : undefined;
  const columns = pastColumns(({ cgroup }) => usedBy(cgroup), width !== undefined);
  print(formatRows(columns, rows, width).join('\n'));
  const missing = missingText(past, lastMs);
  if (missing !== undefined) tell(missing);
}

/** `points`: in so many equal parts; absent: each reading. */
async function askPast(
  invocation: Pick<Invocation, 'globals' | 'signal'>,
  { lastMs, points }: { lastMs: number; points?: number },
): Promise<PastUse> {
  const { socket } = daemonPlacesOf(invocation);
  const query = new URLSearchParams({ last: `${lastMs}ms`, ...(points !== undefined && { points: `${points}` }) });
  const { signal } = invocation;
  // In kukeond itself, too: one that is kept it would have closed by the next time.
  const asking = { unix: socket, signal, keepalive: false };
  const answer = await fetch(`http://kukeond/v1beta1/usage?${query}`, asking).catch(() => {
    if (signal.aborted) throw signal.reason;
    throw notAnswering(`what was used is kept by kukeond, which does not answer at ${socket}`);
  });
  if (answer.ok) return (await answer.json()) as PastUse;
  throw new KukeError('HostNotReady', `kukeond cannot say what was used: HTTP ${answer.status}`, {
    remedy: 'after an upgrade: `sudo kuke daemon restart`',
  });
}

/** For what is sorted and shown as a sample is. */
function averageUse({ cpu, memory, io }: UsedBy): Use {
  return {
    ...(cpu && { cpus: cpu.cpus.average }),
    ...(memory && { memory: { current: memory.usedBytes.average } }),
    ...(io && { io: { readBps: io.readBps.average, writeBps: io.writeBps.average } }),
  };
}

/** In the order of the rows, and those alone. */
function pastJson(past: PastUse, rows: readonly Row[], usedBy: (cgroup?: string) => UsedBy): PastUse {
  const items = rows.flatMap(({ place, name, cgroup }) =>
    place === undefined ? [] : [{ kind: place.ref.kind, name, path: [...place.ref.path], ...usedBy(cgroup) }],
  );
  return { ...past, items };
}

/** Where kukeond has not run for so long. */
export function missingText({ from, to, intervalSeconds }: PastUse, lastMs: number): string | undefined {
  if (from === undefined || to === undefined) return 'kukeond has just begun to look at it';
  const missing = lastMs - (Date.parse(to) - Date.parse(from));
  // A reading is due when the next one is.
  return missing <= 2 * intervalSeconds * 1000
    ? undefined
    : `since ${from.replace(/\.\d+Z$/, 'Z')}: kukeond has not looked at it before`;
}
