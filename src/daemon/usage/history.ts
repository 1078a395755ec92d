/** What each of kuke's cgroups has used over the last while: of each a ring of fixed length, in memory alone. */
import { type Figure, type Reading, useOf } from '../../kernel/usage.ts';

const FIGURES = ['cpus', 'memory', 'readBps', 'writeBps'] as const;
export type FigureName = (typeof FIGURES)[number];

export interface Span {
  /** When each part ended, in milliseconds of the clock of the readings. */
  times: number[];
  /** When the first and the last of its readings were; undefined: there is none. */
  readings?: { first: number; last: number };
  /** What is not counted is absent. */
  of(path: string): Partial<Record<FigureName, Figure>>;
}

export interface UsageHistory {
  readonly intervalMs: number;
  add(reading: Reading): void;
  /** The `ms` until `now`, in so many equal parts; absent: a part a reading. */
  last(ms: number, now: number, parts?: number): Span;
  /** How many groups have a ring. */
  readonly size: number;
}

export const LAST_MS = 3_600_000;
/** Groups that are there no more, of which a reading is still within the time: a container that waits for its restart, and what was deleted. */
const MOST_GONE = 256;

/** Bytes are kept as pages, which a number of 4 bytes holds exactly up to 64 GiB. */
const PAGE = 4096;

interface Ring {
  /** The figures one after another, each as long as the ring; NaN: not known. */
  values: Float32Array;
  /** The number of the last reading that had the group. */
  seen: number;
}

export function makeHistory(intervalMs: number, capacity = Math.ceil(LAST_MS / intervalMs)): UsageHistory {
  const times = new Float64Array(capacity);
  const rings = new Map<string, Ring>();
  let before: Reading | undefined;
  let count = 0;

  const forgetGone = (): void => {
    const gone = [...rings].filter(([, { seen }]) => seen < count).sort(([, a], [, b]) => b.seen - a.seen);
    gone.forEach(([path, { seen }], index) => {
      if (index >= MOST_GONE || count - seen >= capacity) rings.delete(path);
    });
  };

  return {
    intervalMs,
    add(reading) {
      const slot = count % capacity;
      times[slot] = reading.at;
      for (const path of reading.groups.keys()) {
        const ring = rings.get(path) ?? {
          values: new Float32Array(FIGURES.length * capacity).fill(Number.NaN),
          seen: 0,
        };
        ring.seen = count;
        rings.set(path, ring);
      }
      for (const [path, { values }] of rings) {
        const { cpus, memory, io } = useOf(path, reading, before);
        const use = [cpus, memory && memory.current / PAGE, io?.readBps, io?.writeBps];
        for (const [index, value = Number.NaN] of use.entries()) values[index * capacity + slot] = value;
      }
      forgetGone();
      before = reading;
      count += 1;
    },
    last(ms, now, parts) {
      const known = Array.from({ length: Math.min(count, capacity) }, (_, index) => {
        const slot = (Math.max(0, count - capacity) + index) % capacity;
        return { slot, at: times[slot] ?? 0 };
      }).filter(({ at }) => at > now - ms);
      const [first, last] = [known[0]?.at, known.at(-1)?.at];
      const within = parts === undefined ? known.map(one => [one]) : inParts(known, now - ms, ms / parts, parts);
      const ends = (_: unknown, index: number) => now - ms + ((index + 1) * ms) / (parts ?? 1);
      return {
        times: parts === undefined ? known.map(({ at }) => at) : within.map(ends),
        ...(first !== undefined && last !== undefined && { readings: { first, last } }),
        of(path) {
          const { values } = rings.get(path) ?? {};
          if (values === undefined) return {};
          const figures = FIGURES.map((name, index) => {
            const unit = name === 'memory' ? PAGE : 1;
            const valueAt = ({ slot }: { slot: number }) => (values[index * capacity + slot] ?? Number.NaN) * unit;
            return [
              name,
              figureOf(within.map(part => part.map(valueAt).filter(value => !Number.isNaN(value)))),
            ] as const;
          });
          return Object.fromEntries(figures.filter(([, figure]) => figure !== undefined));
        },
      };
    },
    get size() {
      return rings.size;
    },
  };
}

function inParts<T extends { at: number }>(known: readonly T[], start: number, width: number, parts: number): T[][] {
  const by = Map.groupBy(known, ({ at }) => Math.min(parts - 1, Math.floor((at - start) / width)));
  return Array.from({ length: parts }, (_, index) => by.get(index) ?? []);
}

function figureOf(parts: readonly number[][]): Figure | undefined {
  const all = parts.flat();
  if (all.length === 0) return undefined;
  return {
    average: mean(all),
    peak: Math.max(...all),
    points: parts.map(part => (part.length > 0 ? mean(part) : null)),
  };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
