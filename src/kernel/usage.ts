/** What groups use, from two readings of their counters. */
import type { CgroupUsage } from './backends/index.ts';

export interface Reading {
  /** Milliseconds, of a clock that nobody sets. */
  at: number;
  groups: ReadonlyMap<string, CgroupUsage>;
}

/** What the host does not count, or has not counted over the time between two readings, is absent. */
export interface Use {
  /** CPUs: 1.5. */
  cpus?: number;
  /** Bytes. */
  memory?: { current: number; limit?: number; swap?: number };
  /** Bytes and operations a second. */
  io?: { readBps: number; writeBps: number; readIops?: number; writeIops?: number };
  pids?: { current: number; limit?: number };
  /** Percent of the last ten seconds. */
  pressure?: { cpu?: number; memory?: number; io?: number };
}

/** CPUs, bytes, or bytes a second, over some time. */
export interface Figure {
  average: number;
  peak: number;
  /** Of each part of the time; null: nothing is known of it. */
  points: (number | null)[];
}

/** What the host does not count is absent. */
export interface UsedBy {
  cgroup?: string;
  cpu?: { cpus: Figure };
  memory?: { usedBytes: Figure };
  io?: { readBps: Figure; writeBps: Figure };
}

/** What kukeond has kept of the last while: `GET /v1beta1/usage`, `kuke top --last 1h -o json`. */
export interface PastUse {
  /** RFC 3339: the first and the last reading; absent: there is none yet. */
  from?: string;
  to?: string;
  /** Between two readings. */
  intervalSeconds: number;
  /** RFC 3339: the end of the time that each point is of. */
  times: string[];
  /** Of all that kuke runs. */
  total: UsedBy;
  items: (UsedBy & { kind: string; name: string; path: string[] })[];
}

export function readingOf(groups: readonly CgroupUsage[]): Reading {
  return { at: performance.now(), groups: new Map(groups.map(group => [group.path, group])) };
}

export function useOf(path: string | undefined, now: Reading, before?: Reading): Use {
  const group = now.groups.get(path ?? '');
  if (group === undefined) return {};
  const earlier = before?.groups.get(group.path);
  const seconds = (now.at - (before?.at ?? now.at)) / 1000;
  const isNew = before !== undefined && earlier === undefined;
  const rate = (count?: number, last = isNew ? 0 : undefined): number | undefined => {
    if (count === undefined || last === undefined || seconds <= 0) return undefined;
    // A counter that went back is of a group that was made anew: all that it has used is of this time.
    return (count < last ? count : count - last) / seconds;
  };
  const usec = rate(group.cpuUsec, earlier?.cpuUsec);
  const [readBps, writeBps, readIops, writeIops] = (['readBytes', 'writeBytes', 'reads', 'writes'] as const).map(
    counter => rate(group.io?.[counter], earlier?.io?.[counter]),
  );
  const { memory, pids, pressure } = group;
  return {
    ...(usec !== undefined && { cpus: usec / 1e6 }),
    ...(memory && { memory }),
    ...(readBps !== undefined &&
      writeBps !== undefined &&
      readIops !== undefined &&
      writeIops !== undefined && { io: { readBps, writeBps, readIops, writeIops } }),
    ...(pids && { pids }),
    ...(pressure && { pressure }),
  };
}
