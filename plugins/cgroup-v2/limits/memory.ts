/** Taking memory away from a group that uses more than its new limit. */
import { formatBytes } from 'kuke/plugin';
import { type Cgroup, readIfThere, readInterface, writeInterface } from '../../../src/host/cgroupfs/cgroup.ts';
import { flatKeyed } from '../../../src/host/cgroupfs/keyed.ts';
import { pathOf } from '../hierarchy.ts';

export function usesMoreThan(cgroup: Cgroup, limit: number): boolean {
  return Number(readIfThere(cgroup, 'memory.current') ?? 0) > limit;
}

/**
 * memory.high goes first: at it the kernel takes back what it can (caches, what can be swapped) and kills nobody. Then memory.max, at which
 * it kills until the rest fits; then memory.high gets what it had. Returns what happened.
 */
export function lowerMemory(cgroup: Cgroup, limit: number): string {
  const used = Number(readInterface(cgroup, 'memory.current'));
  const before = killed(cgroup);
  const high = readInterface(cgroup, 'memory.high');
  try {
    writeInterface(cgroup, 'memory.high', limit);
    writeInterface(cgroup, 'memory.max', limit);
  } finally {
    writeInterface(cgroup, 'memory.high', high);
  }
  const given = used - Number(readInterface(cgroup, 'memory.current'));
  const ended = killed(cgroup) - before;
  const victims =
    ended === 0 ? 'nothing was killed' : ended === 1 ? '1 process was killed' : `${ended} processes were killed`;
  const what = `memory.max of ${pathOf(cgroup)} is ${formatBytes(limit)} now, and ${mebibytes(used)} were in use`;
  return `${what}: ${mebibytes(given)} were given back, ${victims}`;
}

/** In the group and below it. */
const killed = (cgroup: Cgroup) => flatKeyed(readInterface(cgroup, 'memory.events')).get('oom_kill') ?? 0;
const mebibytes = (bytes: number) => `${Math.max(0, Math.round(bytes / 2 ** 20))}Mi`;
