/** The columns of `top`, and as many of them as a width has room for. */
import type { UsedBy } from '../../kernel/usage.ts';
import { printable } from '../output/printable.ts';
import { colour } from '../output/terminal.ts';
import { bar, count, percent, pressure, shortBytes, sparkline } from './figures.ts';
import type { Row } from './rows.ts';

type Tint = Parameters<typeof colour>[0];

interface Column {
  header: string;
  left?: true;
  /** Those with the highest number go first where there is no room; without one, it stays. */
  goes?: number;
  text(row: Row): string;
  tint?(row: Row): Tint | undefined;
}

const BAR = 8;
/** Characters of a sparkline. */
export const SPARK = 12;
/** A twentieth of a CPU fills a line that shows no more: what idles looks idle. */
const SPARK_TOP = 0.05;
const NAME_MIN = 12;

const heat = (value: number | undefined, warm: number, hot: number): Tint | undefined =>
  value === undefined || value < warm ? undefined : value < hot ? 'yellow' : 'red';

const fullness = ({ use: { memory } }: Row): number | undefined =>
  memory?.limit === undefined ? undefined : memory.current / Math.max(1, memory.limit);

const name: Column = {
  header: 'NAME',
  left: true,
  text: ({ depth, name }) => `${'  '.repeat(depth)}${printable(name)}`,
  tint: ({ depth }) => (depth === 0 ? 'bold' : undefined),
};
const cpu: Column = { header: 'CPU%', text: ({ use }) => percent(use.cpus) };
const memory: Column = { header: 'MEMORY', text: ({ use }) => shortBytes(use.memory?.current) };
const limit: Column = { header: 'LIMIT', goes: 3, text: ({ use }) => shortBytes(use.memory?.limit) };
const counts: Column[] = [
  { header: 'READ/S', goes: 5, text: ({ use }) => shortBytes(use.io?.readBps) },
  { header: 'WRITE/S', goes: 5, text: ({ use }) => shortBytes(use.io?.writeBps) },
  { header: 'PIDS', goes: 2, text: ({ use }) => count(use.pids) },
];

const PRESSURES = ['cpu', 'memory', 'io'] as const;

const pressures = PRESSURES.map(
  (what): Column => ({
    header: `${what === 'memory' ? 'MEM' : what.toUpperCase()}-PSI`,
    text: ({ use }) => pressure(use.pressure?.[what]),
  }),
);

/** All three in one, for who looks: `0/12/3`. */
const pressed: Column = {
  header: 'PSI C/M/I',
  goes: 6,
  text: ({ use: { pressure: of } }) => (of ? PRESSURES.map(what => of[what]?.toFixed(0) ?? '-').join('/') : '-'),
  tint: ({ use }) => heat(Math.max(...PRESSURES.map(what => use.pressure?.[what] ?? 0)), 10, 40),
};

/** For a file or a pipe. */
export const plainColumns: readonly Column[] = [name, cpu, memory, limit, ...counts, ...pressures];

/** For a terminal. `cpuOf`: the last samples of a row, the newest last. */
export function liveColumns(cpuOf: (row: Row) => readonly (number | undefined)[]): readonly Column[] {
  const history: Column = {
    header: 'TREND',
    left: true,
    goes: 4,
    text: row => sparkline(cpuOf(row), SPARK, SPARK_TOP),
  };
  const full: Column = {
    header: '',
    left: true,
    goes: 7,
    text: row => (fullness(row) === undefined ? '' : bar(fullness(row) ?? 0, BAR)),
    tint: row => heat(fullness(row), 0.75, 0.9),
  };
  return [name, cpu, history, memory, full, limit, ...counts, pressed];
}

/** For `--last`: rows have averages. */
export function pastColumns(pastOf: (row: Row) => UsedBy, isLive: boolean): readonly Column[] {
  const cpuOf = (row: Row) => pastOf(row).cpu?.cpus;
  const memoryOf = (row: Row) => pastOf(row).memory?.usedBytes;
  const trend = (what: string, of: typeof cpuOf, top: number): Column => ({
    header: `${what}-TREND`,
    left: true,
    goes: 4,
    text: row => sparkline(of(row)?.points.map(value => value ?? undefined) ?? [], SPARK, top),
  });
  const [read, write] = counts;
  const columns: (Column | undefined)[] = [
    name,
    cpu,
    { header: 'CPU-PEAK', text: row => percent(cpuOf(row)?.peak) },
    isLive ? trend('CPU', cpuOf, SPARK_TOP) : undefined,
    memory,
    { header: 'MEM-PEAK', text: row => shortBytes(memoryOf(row)?.peak) },
    isLive ? { ...trend('MEM', memoryOf, 1), goes: 6 } : undefined,
    read,
    write,
  ];
  return columns.filter(column => column !== undefined);
}

const GAP = '  ';

/** The header, and a line a row, none wider than `width`. */
export function formatRows(
  columns: readonly Column[],
  rows: readonly Row[],
  width = Number.POSITIVE_INFINITY,
): string[] {
  const cells = columns.map(column => ({ column, texts: rows.map(row => column.text(row)) }));
  const widths = cells.map(({ column: { header }, texts }) =>
    Math.max(...[header, ...texts].map(text => Bun.stringWidth(text))),
  );
  const shown = new Set(columns.keys());
  const total = () => [...shown].reduce((sum, index) => sum + (widths[index] ?? 0) + GAP.length, -GAP.length);
  // A long name is cut before a column goes, as far as it can still be told.
  const [widest = 0] = widths;
  const needed = () => total() - widest + Math.min(widest, NAME_MIN);
  while (needed() > width) {
    const order = (index: number) => columns[index]?.goes ?? 0;
    const first = Math.max(...[...shown].map(order));
    if (first === 0) break;
    for (const index of shown) if (order(index) === first) shown.delete(index);
  }
  if (total() > width) widths[0] = Math.max(1, widest - (total() - width));
  const line = (row: Row | undefined, number: number) =>
    [...shown]
      .map(index => {
        const column = columns[index];
        if (column === undefined) return '';
        const text = row === undefined ? column.header : (cells[index]?.texts[number] ?? '');
        const tint = row === undefined ? 'dim' : column.tint?.(row);
        const padded = fitted(text, widths[index] ?? 0, column.left === true);
        return tint === undefined ? padded : colour(tint, padded);
      })
      .join(GAP)
      .trimEnd();
  return [line(undefined, 0), ...rows.map(line)];
}

/** Cut, with an ellipsis, or filled up. */
function fitted(text: string, width: number, left: boolean): string {
  const cut = Bun.sliceAnsi(text, 0, width, { ellipsis: '…' });
  const space = ' '.repeat(width - Bun.stringWidth(cut));
  return left ? cut + space : space + cut;
}
