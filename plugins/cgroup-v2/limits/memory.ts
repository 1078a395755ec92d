/** Taking memory away from a group that uses more than its new limit. */
import { formatBytes } from 'kuke/plugin';
import { type Cgroup, readIfThere, readInterface, writeInterface } from '../../../src/host/cgroupfs/cgroup.ts';
import { flatKeyed } from '../../../src/host/cgroupfs/keyed.ts';
import { pathOf } from '../hierarchy.ts';
import { walk } from '../walk.ts';

export function usesMoreThan(cgroup: Cgroup, limit: number): boolean {
  return Number(readIfThere(cgroup, 'memory.current') ?? 0) > limit;
}

/**
 * memory.high goes first: at it the kernel takes back what it can (caches, what can be swapped) and kills nobody. Then memory.max, at which
 * it kills until the rest fits; then memory.high gets what it had. Returns what happened.
 */
export function lowerMemory(cgroup: Cgroup, limit: number): string {
  const used = Number(readInterface(cgroup, 'memory.current'));
  const before = kills(cgroup);
  const high = readInterface(cgroup, 'memory.high');
  try {
    if (!(Number(high) <= limit)) writeInterface(cgroup, 'memory.high', limit);
    writeInterface(cgroup, 'memory.max', limit);
  } finally {
    writeInterface(cgroup, 'memory.high', high);
  }
  const given = used - Number(readInterface(cgroup, 'memory.current'));
  const victims = [...kills(cgroup)].filter(([path, count]) => count > (before.get(path) ?? 0)).map(([path]) => path);
  const what = `memory.max of ${pathOf(cgroup)} is ${formatBytes(limit)} now, and ${mebibytes(used)} were in use`;
  const killed = victims.length === 0 ? 'nothing was killed' : `processes were killed in ${victims.join(', ')}`;
  return `${what}: ${mebibytes(given)} were given back, ${killed}`;
}

/** In the group and in each below it. A container that is killed whole counts one of its processes twice. */
function kills(cgroup: Cgroup): Map<string, number> {
  return new Map(
    [...walk(cgroup)].map(group => {
      const events = flatKeyed(readIfThere(group, 'memory.events.local') ?? '');
      return [pathOf(group), events.get('oom_kill') ?? 0];
    }),
  );
}

const mebibytes = (bytes: number) => `${Math.max(0, Math.round(bytes / 2 ** 20))}Mi`;
