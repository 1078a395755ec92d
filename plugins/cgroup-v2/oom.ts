/**
 * Whether what ran in a container's group was killed for want of memory, and whose limit that was. In memory.events.local the kernel counts
 * `oom` of the group whose limit was hit, `oom_kill` of those in which it killed processes, `oom_group_kill` (since Linux 5.17) of one that
 * it killed whole, even if all processes were in groups below it. The counters and limits are noted before a container starts, and again
 * of those that have outlived a kill beside them when the next one starts: that was not theirs.
 */
import type { OomObservation } from 'kuke/plugin';
import { type Cgroup, children, lineage, readIfThere } from '../../src/host/cgroupfs/cgroup.ts';
import { flatKeyed } from '../../src/host/cgroupfs/keyed.ts';
import { hasCode } from '../../src/host/errno.ts';
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
  /** By path: memory.max, bytes; absent: none. */
  max: Record<string, number>;
}

const NAME = 'kukeon.life';

export function noteLife(cgroup: Cgroup, kills: number): void {
  const life: Life = { kills, killed: killsOf(cgroup) ?? 0, oom: hits(cgroup), max: limits(cgroup) };
  setAttribute(cgroup.path, NAME, JSON.stringify(life));
  const highest = lineage(cgroup).find(level => (life.oom[pathOf(level)] ?? 0) > 0);
  if (highest !== undefined && highest.path !== cgroup.path) noteSurvivors(highest);
}

/** Of all that is below `top`. What was killed and is still there stays as it is. */
function noteSurvivors(top: Cgroup): void {
  for (const group of children(top)) {
    noteSurvivors(group);
    const born = lifeOf(group);
    if (born === undefined) continue;
    const oom = hits(group);
    // Read after those: a group that is being killed just now is no survivor.
    if ((killsOf(group) ?? 0) > born.killed || Bun.deepEquals(oom, born.oom)) continue;
    try {
      setAttribute(group.path, NAME, JSON.stringify({ ...born, oom, max: limits(group) }));
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENODEV')) throw error; // it has just ended and gone
    }
  }
}

/** Undefined: no such group, or memory is not counted in it. */
export function observeOom(cgroup: Cgroup): OomObservation | undefined {
  const killed = killsOf(cgroup);
  if (killed === undefined) return undefined;
  // A group that a runtime made was not noted, and was new then.
  const born = lifeOf(cgroup) ?? { kills: 0, killed: 0, oom: {}, max: {} };
  if (killed <= born.killed) return { kills: born.kills };
  const now = hits(cgroup);
  const risen = lineage(cgroup)
    .filter(level => (now[pathOf(level)] ?? 0) > (born.oom[pathOf(level)] ?? 0))
    .reverse()
    .map(level => ({ path: pathOf(level), limit: limitHit(level, born.max[pathOf(level)]) }));
  const hit = risen.find(({ limit }) => limit !== undefined) ?? risen[0];
  const peak = peakOf(cgroup);
  return {
    // A container's group is killed whole, and so ends.
    kills: born.kills + 1,
    last: {
      ...(hit && { path: hit.path }),
      ...(hit?.limit !== undefined && { limit: hit.limit }),
      ...(peak !== undefined && { peak }),
    },
  };
}

/** Which of its limits a group has ever reached: the one of now, or `then`. Undefined: neither, so somebody has changed it since. */
function limitHit(level: Cgroup, then: number | undefined): number | undefined {
  const [now, peak] = [limitOf(level), peakOf(level)];
  if (now !== undefined && (peak === undefined || peak >= NEAR * now)) return now;
  return then !== undefined && peak !== undefined && peak >= NEAR * then && NEAR * peak <= then ? then : undefined;
}

/** The kernel charges in batches, and gives up a little below the limit. */
const NEAR = 0.9;

const limitOf = (cgroup: Cgroup): number | undefined => bytesIn(cgroup, 'memory.max');
const peakOf = (cgroup: Cgroup): number | undefined => bytesIn(cgroup, 'memory.peak');

/** Undefined: no such file, or it says `max`. */
function bytesIn(cgroup: Cgroup, file: string): number | undefined {
  const bytes = Number(readIfThere(cgroup, file) ?? Number.NaN);
  return Number.isFinite(bytes) ? bytes : undefined;
}

/** Of the group and all above it. */
function limits(cgroup: Cgroup): Record<string, number> {
  const all = lineage(cgroup).map(level => [pathOf(level), limitOf(level)] as const);
  return Object.fromEntries(all.flatMap(([path, limit]) => (limit === undefined ? [] : [[path, limit]])));
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

/** Undefined: nobody has noted it. */
function lifeOf(cgroup: Cgroup): Life | undefined {
  try {
    const { kills, killed, oom, max = {} } = JSON.parse(getAttribute(cgroup.path, NAME) ?? '{}');
    const isLife = Number.isInteger(kills) && Number.isInteger(killed) && isObject(oom) && isObject(max);
    return isLife ? { kills, killed, oom, max } : undefined;
  } catch {
    return undefined; // somebody else wrote there
  }
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;
