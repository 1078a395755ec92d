/** The tree on a terminal, drawn anew at each interval until somebody ends it. */
import { openScreen } from '../output/screen.ts';
import { colour } from '../output/terminal.ts';
import { formatRows, liveColumns } from './columns.ts';
import type { Row, Sort } from './rows.ts';
import { SORTS } from './rows.ts';
import type { Sample, Sampler } from './sampler.ts';

/** Of the sparkline; more than any is wide. */
const HISTORY = 60;
/** Rates take two readings: who looks does not wait a whole interval for the first. */
const FIRST_MS = 500;

const KEYS = ['q ends; sort: c cpu, m memory, i io, p pids, n name', 'q ends; sort: c m i p n', 'q ends'];
const QUIT = ['q', 'Q', '\u0003', '\u0004'];

/** Until `q`, Ctrl-C, or a signal: `signal`. */
export async function showLive(
  sampler: Sampler,
  { sort: first, intervalMs }: { sort: Sort; intervalMs: number },
  signal: AbortSignal,
): Promise<void> {
  let [sort, sample]: [Sort, Sample | undefined] = [first, undefined];
  let top = 0;
  const history = new Map<string, (number | undefined)[]>();
  const over = Promise.withResolvers<void>();
  const draw = (): void => {
    if (sample === undefined) return;
    const drawn = frame({ sample, sort, intervalMs, history, top }, screen.size());
    top = drawn.top;
    screen.draw(drawn.lines);
  };
  const screen = openScreen({
    key(key) {
      const chosen = SORTS.find(one => one.startsWith(key.toLowerCase()));
      const step = stepOf(key, screen.size().rows);
      if (QUIT.includes(key)) return over.resolve();
      if (chosen === undefined && step === undefined) return;
      sort = chosen ?? sort;
      // From the top again: that is where what was asked for is.
      top = step === undefined ? 0 : top + step;
      draw();
    },
    resized: draw,
    ended: over.resolve,
  });
  signal.addEventListener('abort', () => over.resolve(), { once: true });
  const isOver = over.promise.then(() => true);
  try {
    for (let number = 0; ; number++) {
      sample = await sampler.sample();
      remember(history, sample);
      draw();
      const pause = Bun.sleep(number === 0 ? Math.min(intervalMs, FIRST_MS) : intervalMs).then(() => false);
      if (signal.aborted || (await Promise.race([isOver, pause]))) return;
    }
  } finally {
    screen.close();
  }
}

function remember(history: Map<string, (number | undefined)[]>, { rows }: Sample): void {
  const seen = new Set<string>();
  for (const { cgroup = '', use } of rows('name')) {
    seen.add(cgroup);
    history.set(cgroup, [...(history.get(cgroup) ?? []), use.cpus].slice(-HISTORY));
  }
  for (const cgroup of history.keys()) if (!seen.has(cgroup)) history.delete(cgroup);
}

/** Title, an empty line, the header; and one that says where one is. */
const AROUND = 4;

/** By how many rows a key moves. */
function stepOf(key: string, height: number): number | undefined {
  const page = Math.max(1, height - AROUND);
  const steps: Record<string, number> = {
    up: -1,
    down: 1,
    pageUp: -page,
    pageDown: page,
    home: Number.NEGATIVE_INFINITY,
    end: Number.POSITIVE_INFINITY,
  };
  return Object.hasOwn(steps, key) ? steps[key] : undefined;
}

export interface Shown {
  sample: Sample;
  sort: Sort;
  intervalMs: number;
  /** Of the CPU, by cgroup. */
  history: ReadonlyMap<string, readonly (number | undefined)[]>;
  /** The first row that is wanted, from 0. */
  top: number;
}

/** As many lines as the screen has, and no more; `top`: the first row that is there. */
export function frame(
  { sample, sort, intervalMs, history, top }: Shown,
  { columns, rows: height }: { columns: number; rows: number },
): { lines: string[]; top: number } {
  const time = new Date(sample.sampledAt).toTimeString().slice(0, 8);
  const title = `${colour('bold', 'kuke top')}  ${time}  every ${intervalMs / 1000} s, by ${sort}`;
  const keys = KEYS.find(text => Bun.stringWidth(`${title}   ${text}`) <= columns) ?? '';
  const cpuOf = ({ cgroup = '' }: Row) => history.get(cgroup) ?? [];
  const [header = '', ...lines] = formatRows(liveColumns(cpuOf), sample.rows(sort), columns);
  const head = [`${title}   ${colour('dim', keys)}`, '', header];
  if (lines.length <= Math.max(1, height - AROUND + 1)) return { lines: [...head, ...lines], top: 0 };
  const room = Math.max(0, height - AROUND);
  const first = Math.max(0, Math.min(top, lines.length - room));
  const where = `  ${first + 1}–${first + room} of ${lines.length}; ↑ ↓ PgUp PgDn; --level stack, or --stack NAME, shows fewer`;
  return { lines: [...head, ...lines.slice(first, first + room), colour('dim', where)], top: first };
}
