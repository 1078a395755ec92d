/** Measuring in turn, and what was seen as a table. */

export interface Row {
  what: string;
  /** Of one kind: milliseconds, say. */
  samples: readonly number[];
  /** Of other rows' medians: their names, and the most that is wanted. */
  against?: Goal[];
  /** The most that is wanted of the largest sample. */
  most?: number;
  /** Unit of this row, where it is not the table's. */
  unit?: string;
}

export interface Goal {
  what: string;
  /** Times the other's median. */
  most: number;
  /** And so much more, in the table's unit. */
  plus?: number;
}

export interface Table {
  title: string;
  unit: string;
  rows: Row[];
  notes?: string[];
}

/** How often all are measured: `usual` times, or as `--rounds` says. */
export const roundsOr = (usual: number): number => Number(process.env.KUKE_BENCH_ROUNDS) || usual;

/** Each in turn, `rounds` times over, after one round that does not count; every round begins with another one. The answers are numbers of `Table.unit`. */
export async function inTurn(
  rounds: number,
  candidates: Readonly<Record<string, (round: number) => number | Promise<number>>>,
): Promise<Record<string, number[]>> {
  const samples: Record<string, number[]> = Object.fromEntries(Object.keys(candidates).map(name => [name, []]));
  const all = Object.entries(candidates);
  for (let round = 0; round <= rounds; round++) {
    const first = round % all.length;
    for (const [name, measure] of [...all.slice(first), ...all.slice(0, first)]) {
      const value = await measure(round);
      if (round > 0) samples[name]?.push(value);
    }
  }
  return samples;
}

/** Milliseconds that `run` takes. */
export async function timed(run: () => unknown): Promise<number> {
  const since = performance.now();
  await run();
  return performance.now() - since;
}

export function quantile(samples: readonly number[], part: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}

export const median = (samples: readonly number[]) => quantile(samples, 0.5);

export const number = (value: number) =>
  Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(Math.abs(value) < 1 ? 2 : 3);

export interface Verdict {
  /** `0.58 × podman (goal ≤ 0.25)` */
  text: string;
  reached: boolean;
}

/** What came of the goals of a row. */
export function verdicts({ rows }: Table, { samples, against = [], most }: Row): Verdict[] {
  const ofOthers = against.flatMap(({ what, most: limit, plus = 0 }): Verdict[] => {
    const other = rows.find(row => row.what === what);
    if (other === undefined) return [];
    const ratio = (median(samples) - plus) / median(other.samples);
    const times = `${number(median(samples) / median(other.samples))} × ${what}`;
    const goal = plus === 0 ? `${limit}` : `${limit} × + ${plus} ms`;
    return [{ text: `${times} (goal ≤ ${goal})`, reached: ratio <= limit }];
  });
  if (most === undefined) return ofOthers;
  const largest = Math.max(...samples);
  return [...ofOthers, { text: `at most ${number(largest)} (goal < ${most})`, reached: largest < most }];
}

export function format(table: Table): string {
  const { title, unit, rows, notes = [] } = table;
  const lines = rows.map(row => {
    const spread = `${number(quantile(row.samples, 0.1))} – ${number(quantile(row.samples, 0.9))}`;
    const goals = verdicts(table, row).map(({ text, reached }) => `${reached ? '✓' : '✗'} ${text}`);
    const value = `${number(median(row.samples))}${row.unit ? ` ${row.unit}` : ''}`;
    return `| ${row.what} | ${value} | ${spread} | ${row.samples.length} | ${goals.join('; ')} |`;
  });
  const head = `### ${title}\n\n| ${unit} | median | 10 – 90 % | n | |\n|---|---|---|---|---|`;
  return [head, ...lines, ...notes.map(note => `\n${note}`), ''].join('\n');
}
