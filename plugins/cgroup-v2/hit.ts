/**
 * Whose limit kept something from starting in a group, though the runtime has removed that by now: the kernel counts `oom` of a group in
 * its memory.events.local, and in memory.events of all above it; so it does, since Linux 6.11, with `max` in pids.events. Before that only
 * the group of what wanted to fork counts, and that is gone: then it is the limit that leaves the fewest.
 */
import type { LimitHit, Limits } from 'kuke/plugin';
import { type Cgroup, lineage, readIfThere } from '../../src/host/cgroupfs/cgroup.ts';
import { flatKeyed } from '../../src/host/cgroupfs/keyed.ts';
import { pathOf } from './hierarchy.ts';

/** By path. `below`: of the group and those below it. */
type Hits = Record<string, Record<LimitHit['field'], { own: number; below: number }>>;

const FILES = {
  'memory.limit': { name: 'memory.events', key: 'oom' },
  'pids.limit': { name: 'pids.events', key: 'max' },
} as const;
const FIELDS = Object.keys(FILES) as LimitHit['field'][];
const NONE = { own: 0, below: 0 };

/** runc has so many threads while it starts a container. */
const RUNTIME_THREADS = 16;

/** runc 1.1 and crun 1.8, where a process or a thread of theirs could not be made. */
const COULD_NOT_FORK =
  /pipe: EOF|init-p|sync socket|resource temporarily unavailable|pthread_create|newosproc|\b(?:v?fork|clone)\b/i;

/** Plain data. */
export function hits(cgroup: Cgroup): Hits {
  return Object.fromEntries(
    lineage(cgroup).map(level => [
      pathOf(level),
      { 'memory.limit': count(level, 'memory.limit'), 'pids.limit': count(level, 'pids.limit') },
    ]),
  );
}

function count(level: Cgroup, field: LimitHit['field']): { own: number; below: number } {
  const { name, key } = FILES[field];
  const of = (file: string) => flatKeyed(readIfThere(level, file) ?? '').get(key) ?? 0;
  return { own: of(`${name}.local`), below: of(name) };
}

/** `limits`: of the group itself. */
export function limitHit(cgroup: Cgroup, limits: Limits, before: unknown, failure: string): LimitHit | undefined {
  const [now, then] = [hits(cgroup), isHits(before) ? before : {}];
  const levels = lineage(cgroup).map(pathOf).reverse();
  const [, cell = ''] = levels;
  for (const field of FIELDS) {
    const risen = (which: 'own' | 'below') => (path: string) =>
      (now[path]?.[field] ?? NONE)[which] > (then[path]?.[field] ?? NONE)[which];
    // Of the cell's alone: further up, others may have been hit.
    const path = levels.find(risen('own')) ?? (risen('below')(cell) ? pathOf(cgroup) : undefined);
    if (path !== undefined) return { path, field };
  }
  return COULD_NOT_FORK.test(failure) ? scarcest(cgroup, limits) : undefined;
}

function scarcest(cgroup: Cgroup, limits: Limits): LimitHit | undefined {
  const number = (level: Cgroup, file: string) =>
    Number(readIfThere(level, file)?.replace('max', 'Infinity') ?? Number.NaN);
  const free = lineage(cgroup).map(level => ({
    path: pathOf(level),
    free: number(level, 'pids.max') - number(level, 'pids.current'),
  }));
  const own = { path: pathOf(cgroup), free: limits['pids.limit'] ?? Number.POSITIVE_INFINITY };
  const [least] = [own, ...free.reverse()].filter(one => one.free < RUNTIME_THREADS).sort((a, b) => a.free - b.free);
  return least && { path: least.path, field: 'pids.limit' };
}

const isHits = (before: unknown): before is Hits => typeof before === 'object' && before !== null;
