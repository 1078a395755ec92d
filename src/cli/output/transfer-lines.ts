/** How far transfers have come, a line each: what there is to say of them in so many columns. */
import type { Transfer } from '../../kernel/backends/index.ts';
import { bar } from '../top/figures.ts';
import { bytes } from './bytes.ts';

export interface Shown extends Transfer {
  /** Bytes a second, lately; 0: nobody knows yet. */
  rate: number;
}

const BAR_MAX = 40;
const BAR_MIN = 8;

/** At most `columns` wide: a bar where there is room, with rate and time left while something comes. */
export function transferLine(shown: Shown, columns: number, titleWidth = shown.title.length): string {
  const title = `  ${shown.title.padEnd(titleWidth)}`;
  if (shown.state !== 'fetching') {
    const size = shown.state === 'waiting' ? '' : `  ${bytes(shown.total)}`;
    return `${title}  ${shown.state}${size}`.slice(0, columns);
  }
  const size = `${bytes(shown.done)} of ${bytes(shown.total)}`.padEnd(20);
  const rate = (shown.rate > 0 ? `${bytes(shown.rate)}/s` : '').padStart(10);
  const share = shown.total === 0 ? 1 : Math.min(1, shown.done / shown.total);
  const left = (shown.rate > 0 ? duration((shown.total - shown.done) / shown.rate) : '').padStart(6);
  for (const figures of [`${size}${rate}${left}`, `${size}${rate}`, size.trimEnd()]) {
    const room = Math.min(BAR_MAX, columns - title.length - figures.length - 4);
    if (room >= BAR_MIN) return `${title}  ${bar(share, room)}  ${figures}`.trimEnd();
  }
  return `${title}  ${size}`.trimEnd().slice(0, columns);
}

/** `4s`, `1m05s`, `2h07m`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
}

/** The lines of all of them, below the name of what each belongs to; at most `rows`, those first that something happens to. */
export function transferLines(all: readonly Shown[], { columns, rows }: { columns: number; rows: number }): string[] {
  const titleWidth = Math.max(...all.map(({ title }) => title.length));
  const groups = [...Map.groupBy(all, ({ of }) => of)];
  const lines = groups.flatMap(([of, parts]) => [
    { text: of.slice(0, columns), weight: 0 },
    ...parts.map(one => ({ text: transferLine(one, columns, titleWidth), weight: weights[one.state] })),
  ]);
  if (lines.length <= rows) return lines.map(({ text }) => text);
  const kept = new Set(lines.toSorted((a, b) => a.weight - b.weight).slice(0, Math.max(1, rows - 1)));
  const rest = `  and ${lines.length - kept.size} more`.slice(0, columns);
  return [...lines.filter(line => kept.has(line)).map(({ text }) => text), rest];
}

const weights: Record<Transfer['state'], number> = {
  fetching: 1,
  unpacking: 2,
  fetched: 3,
  waiting: 4,
  done: 5,
  'here already': 5,
};
