/**
 * Whether what ran in a container's group was killed for want of memory, and whose limit that was. The kernel counts in `oom` of
 * memory.events.local of the group whose limit was hit, and in `oom_kill` of the one in which it killed; so the counters are noted before
 * a container starts.
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
  /** `oom_kill` of its own group. */
  killed: number;
  /** By path: `oom`. */
  oom: Record<string, number>;
}

const NAME = 'kukeon.life';

export function noteLife(cgroup: Cgroup, kills: number): void {
  const life: Life = { kills, killed: count(cgroup, 'oom_kill') ?? 0, oom: hits(cgroup) };
  setAttribute(cgroup.path, NAME, JSON.stringify(life));
}

/** Undefined: no such group, or memory is not counted in it. */
export function observeOom(cgroup: Cgroup): OomObservation | undefined {
  const killed = count(cgroup, 'oom_kill');
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
      const oom = count(level, 'oom');
      return oom === undefined ? [] : [[pathOf(level), oom]];
    }),
  );
}

function count(cgroup: Cgroup, event: 'oom' | 'oom_kill'): number | undefined {
  const events = readIfThere(cgroup, 'memory.events.local');
  return events === undefined ? undefined : (flatKeyed(events).get(event) ?? 0);
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
