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
  const history = new Map<string, (number | undefined)[]>();
  const over = Promise.withResolvers<void>();
  const draw = (): void => {
    if (sample !== undefined) screen.draw(frame(sample, sort, intervalMs, history, screen.size()));
  };
  const screen = openScreen({
    key(key) {
      const chosen = SORTS.find(one => one.startsWith(key.toLowerCase()));
      if (QUIT.includes(key)) over.resolve();
      else if (chosen !== undefined) {
        sort = chosen;
        draw();
      }
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

/** As many lines as the screen has, and no more. */
export function frame(
  sample: Sample,
  sort: Sort,
  intervalMs: number,
  history: ReadonlyMap<string, readonly (number | undefined)[]>,
  { columns, rows: height }: { columns: number; rows: number },
): string[] {
  const time = new Date(sample.sampledAt).toTimeString().slice(0, 8);
  const title = `${colour('bold', 'kuke top')}  ${time}  every ${intervalMs / 1000} s, by ${sort}`;
  const keys = KEYS.find(text => Bun.stringWidth(`${title}   ${text}`) <= columns) ?? '';
  const cpuOf = ({ cgroup = '' }: Row) => history.get(cgroup) ?? [];
  const [header = '', ...lines] = formatRows(liveColumns(cpuOf), sample.rows(sort), columns);
  const room = Math.max(1, height - 3);
  const hidden = lines.length - room;
  const shown =
    hidden > 0
      ? [
          ...lines.slice(0, room - 1),
          colour('dim', `  … ${hidden + 1} more; --level stack, or --stack NAME, shows fewer`),
        ]
      : lines;
  return [`${title}   ${colour('dim', keys)}`, '', header, ...shown];
}
