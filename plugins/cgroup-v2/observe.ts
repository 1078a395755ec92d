/** What there is: every cgroup at and below one, whose it is, and whether something runs in it. */
import { type CgroupObservation, othersTurn } from 'kuke/plugin';
import { type Cgroup, lineage } from '../../src/host/cgroupfs/cgroup.ts';
import { readEvents } from '../../src/host/cgroupfs/events.ts';
import { hasCode } from '../../src/host/errno.ts';
import { pathOf } from './hierarchy.ts';
import { markOf } from './mark.ts';
import { walk } from './walk.ts';

/** Parents first. A group that goes away meanwhile is left out. `isAbove`: with those of kuke's that it lies in. */
export async function observeCgroups(
  top: Cgroup,
  instance: string | undefined,
  { isAbove = false } = {},
): Promise<CgroupObservation[]> {
  const seen: CgroupObservation[] = [];
  const above = isAbove ? lineage(top).slice(1, -1) : [];
  for (const cgroup of [...above, ...walk(top)]) {
    const one = observeOne(cgroup, instance);
    if (one !== undefined) seen.push(one);
    await othersTurn();
  }
  return seen;
}

function observeOne(cgroup: Cgroup, instance: string | undefined): CgroupObservation | undefined {
  const events = readEvents(cgroup);
  if (events === undefined) return undefined;
  try {
    const ours = instance !== undefined && markOf(cgroup.path) === instance;
    return { path: pathOf(cgroup), ours, populated: events.populated, frozen: events.frozen };
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return undefined;
    throw error;
  }
}
