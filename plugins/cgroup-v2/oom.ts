/**
 * Whether what ran in a container's group was killed for want of memory, and whose limit that was. In memory.events.local the kernel counts
 * `oom` of the group whose limit was hit, `oom_kill` of those in which it killed processes, `oom_group_kill` (since Linux 5.17) of one that
 * it killed whole, even if all processes were in groups below it. The counters are noted before a container starts.
 */
import type { OomObservation } from 'kuke/plugin';
import { type Cgroup, lineage, readIfThere } from '../../src/host/cgroupfs/cgroup.ts';
import { flatKeyed } from '../../src/host/cgroupfs/keyed.ts';
import { getAttribute, setAttribute } from './attribute.ts';
import { pathOf } from './hierarchy.ts';

/** How things stood when a container's life began. */
interface Life {
  /** In its earlier ones. */
  kills: number;
  /** Of its own group: `oom_kill` and `oom_group_kill`. */
  killed: number;
  /** By path: `oom`. */
  oom: Record<string, number>;
}

const NAME = 'kukeon.life';

export function noteLife(cgroup: Cgroup, kills: number): void {
  const life: Life = { kills, killed: killsOf(cgroup) ?? 0, oom: hits(cgroup) };
  setAttribute(cgroup.path, NAME, JSON.stringify(life));
}

/** Undefined: no such group, or memory is not counted in it. */
export function observeOom(cgroup: Cgroup): OomObservation | undefined {
  const killed = killsOf(cgroup);
  if (killed === undefined) return undefined;
  const born = lifeOf(cgroup);
  if (killed <= born.killed) return { kills: born.kills };
  const now = hits(cgroup);
  const hit = lineage(cgroup).findLast(level => (now[pathOf(level)] ?? 0) > (born.oom[pathOf(level)] ?? 0));
  const limit = hit === undefined ? Number.NaN : Number(readIfThere(hit, 'memory.max'));
  const peak = Number(readIfThere(cgroup, 'memory.peak') ?? Number.NaN);
  return {
    // A container's group is killed whole, and so ends.
    kills: born.kills + 1,
    last: {
      ...(hit !== undefined && { path: pathOf(hit) }),
      ...(Number.isFinite(limit) && { limit }),
      ...(Number.isFinite(peak) && { peak }),
    },
  };
}

/** Of the group and all above it. */
function hits(cgroup: Cgroup): Record<string, number> {
  return Object.fromEntries(
    lineage(cgroup).flatMap(level => {
      const oom = events(level)?.get('oom');
      return oom === undefined ? [] : [[pathOf(level), oom]];
    }),
  );
}

function killsOf(cgroup: Cgroup): number | undefined {
  const seen = events(cgroup);
  return seen && (seen.get('oom_kill') ?? 0) + (seen.get('oom_group_kill') ?? 0);
}

/** Undefined: no such group, or memory is not counted in it. */
function events(cgroup: Cgroup): Map<string, number> | undefined {
  const local = readIfThere(cgroup, 'memory.events.local');
  return local === undefined ? undefined : flatKeyed(local);
}

/** A group that a runtime made has none, and was new then. */
function lifeOf(cgroup: Cgroup): Life {
  const none: Life = { kills: 0, killed: 0, oom: {} };
  try {
    const { kills, killed, oom } = JSON.parse(getAttribute(cgroup.path, NAME) ?? '{}');
    return Number.isInteger(kills) && Number.isInteger(killed) && typeof oom === 'object' && oom !== null
      ? { kills, killed, oom }
      : none;
  } catch {
    return none; // somebody else wrote there
  }
}
