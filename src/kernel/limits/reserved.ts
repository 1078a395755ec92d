/**
 * Memory that is reserved counts only as far as every level above has as much (cgroup-v2.rst, memory.low): so a level that says nothing of it
 * is given the sum of what is reserved in it, `/kukeon` too. What an administrator wrote there by hand stays.
 */
import { totalmem } from 'node:os';
import type { LimitObservation } from '../backends/index.ts';
import { CGROUP_ROOT } from '../cgroups.ts';
import type { AskedOfGroup } from './asked.ts';
import { type LimitField, type Limits, limitsOf } from './limits.ts';

export const RESERVATION = 'memory.reservation' satisfies LimitField;

/** Of who has no more than its level is given for those in it. */
export const FROM_BELOW = 'what is reserved in it';

/** By path of a level: bytes that are reserved in it, of what is to run; absent: none. */
export type Reserved = ReadonlyMap<string, number>;

export function reservedIn(groups: readonly AskedOfGroup[]): Reserved {
  const own = new Map<string, number>();
  const least = new Map<string, number>();
  for (const { path, resources, isIdle, comesFirst } of groups) {
    const bytes = isIdle || resources?.memory?.reservation === undefined ? undefined : limitsOf(resources)[RESERVATION];
    if (bytes === undefined) continue;
    if (comesFirst) least.set(parentOf(path), Math.max(bytes, least.get(parentOf(path)) ?? 0));
    else own.set(path, bytes);
  }
  const reserved = new Map<string, number>();
  const all = new Set([...own.keys(), ...least.keys()].flatMap(lineage));
  // From below: what a level says itself is what counts above it.
  for (const path of [...all].sort((a, b) => depth(b) - depth(a))) {
    const below = Math.max(reserved.get(path) ?? 0, least.get(path) ?? 0);
    if (below > 0) reserved.set(path, below);
    const bytes = own.get(path) ?? below;
    const parent = parentOf(path);
    if (path !== CGROUP_ROOT && bytes > 0) reserved.set(parent, (reserved.get(parent) ?? 0) + bytes);
  }
  return reserved;
}

const depth = (path: string): number => path.split('/').length;
const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));
const lineage = (path: string): string[] => (path === CGROUP_ROOT ? [path] : [path, ...lineage(parentOf(path))]);

/** What a level is to have, by what it says and by what is reserved in it: no more than the host has. */
export function withReserved(said: Limits, bytes: number | undefined): Limits {
  if (said[RESERVATION] !== undefined || bytes === undefined) return said;
  return { ...said, [RESERVATION]: Math.min(bytes, totalmem()) };
}

/** The paths at which they differ, from above. */
export function differing(before: Reserved, now: Reserved): string[] {
  const paths = new Set([...before.keys(), ...now.keys()]);
  return [...paths].filter(path => before.get(path) !== now.get(path)).sort();
}

/** Of what the backend says of a level: what it says itself, and what it is given for those in it, if anything. */
export function apart(
  seen: readonly LimitObservation[],
  said: Limits,
): { own: LimitObservation[]; given: LimitObservation | undefined } {
  const isGiven = ({ field, asked }: LimitObservation) =>
    field === RESERVATION && asked !== undefined && said[RESERVATION] === undefined;
  return { own: seen.filter(one => !isGiven(one)), given: seen.find(isGiven) };
}
