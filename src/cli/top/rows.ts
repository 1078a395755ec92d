/** The tree of places as rows: siblings sorted, each below what it lies in. */
import { CGROUP_ROOT } from '../../kernel/cgroups.ts';
import { nameOf } from '../../kernel/resource.ts';
import type { Use } from '../../kernel/usage.ts';
import type { Place } from './places.ts';

export const SORTS = ['cpu', 'memory', 'io', 'pids', 'name'] as const;
export type Sort = (typeof SORTS)[number];

export interface Row {
  name: string;
  /** 0: all of kuke's, 1: a realm. */
  depth: number;
  /** Absent: all of kuke's. */
  place?: Place;
  cgroup?: string;
  use: Use;
}

const weights: Record<Exclude<Sort, 'name'>, (use: Use) => number | undefined> = {
  cpu: ({ cpus }) => cpus,
  memory: ({ memory }) => memory?.current,
  io: ({ io }) => io && io.readBps + io.writeBps,
  pids: ({ pids }) => pids?.current,
};

/** All of kuke's, and what it consists of. */
export function rowsWithWhole(places: readonly Place[], sort: Sort, useAt: (cgroup?: string) => Use): Row[] {
  const whole: Row = { name: 'kukeon', depth: 0, cgroup: CGROUP_ROOT, use: useAt(CGROUP_ROOT) };
  return [whole, ...rowsOf(places, sort, useAt)];
}

/** Largest first, those of which nothing is known last, and by name where that decides nothing. */
export function rowsOf(places: readonly Place[], sort: Sort, useAt: (cgroup?: string) => Use, depth = 1): Row[] {
  const rows = places.map((place): Row => {
    const { cgroup, ref } = place;
    return { name: nameOf(ref), depth, place, use: useAt(cgroup), ...(cgroup !== undefined && { cgroup }) };
  });
  const weight = ({ use }: Row): number => (sort === 'name' ? 0 : (weights[sort](use) ?? -1));
  rows.sort((a, b) => weight(b) - weight(a) || a.name.localeCompare(b.name));
  return rows.flatMap(row => [row, ...rowsOf(row.place?.below ?? [], sort, useAt, depth + 1)]);
}
