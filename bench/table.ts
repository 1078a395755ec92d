/** Measuring in turn, and what was seen as a table. */

export interface Row {
  what: string;
  /** Of one kind: milliseconds, say. */
  samples: readonly number[];
  /** Of another row's median: its name, and the most that is wanted. */
  against?: { what: string; most: number };
  /** The most that is wanted of the largest sample. */
  most?: number;
}

export interface Table {
  title: string;
  unit: string;
  rows: Row[];
  notes?: string[];
}

/** Each in turn, `rounds` times over, after one round that does not count. The answers are numbers of `Table.unit`. */
export async function inTurn(
  rounds: number,
  candidates: Readonly<Record<string, () => number | Promise<number>>>,
): Promise<Record<string, number[]>> {
  const samples: Record<string, number[]> = Object.fromEntries(Object.keys(candidates).map(name => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, measure] of Object.entries(candidates)) {
      const value = await measure();
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

export function format({ title, unit, rows, notes = [] }: Table): string {
  const number = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
  const lines = rows.map(({ what, samples, against, most }) => {
    const spread = `${number(quantile(samples, 0.1))} – ${number(quantile(samples, 0.9))}`;
    const other = rows.find(row => row.what === against?.what);
    const verdict = (value: number, limit: number, text: string) => `${text} ${value <= limit ? '✓' : '✗'}`;
    const ratio = other === undefined ? Number.NaN : median(samples) / median(other.samples);
    const largest = Math.max(...samples);
    const goals = [
      ...(against ? [verdict(ratio, against.most, `${ratio.toFixed(2)} × (goal ≤ ${against.most})`)] : []),
      ...(most === undefined ? [] : [verdict(largest, most, `at most ${number(largest)} (goal < ${most})`)]),
    ];
    return `| ${what} | ${number(median(samples))} | ${spread} | ${samples.length} | ${goals.join(', ')} |`;
  });
  const head = `### ${title}\n\n| ${unit} | median | 10 – 90 % | n | |\n|---|---|---|---|---|`;
  return [head, ...lines, ...notes.map(note => `\n${note}`), ''].join('\n');
}
