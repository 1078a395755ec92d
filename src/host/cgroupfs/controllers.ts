/** Delegating controllers down the tree: cgroup.controllers and cgroup.subtree_control. */
import { errnoOf, SystemError } from '../errno.ts';
import { systemError } from '../libc.ts';
import { type Cgroup, isHierarchyRoot, lineage, readWords, writeInterface } from './cgroup.ts';
import { pids } from './processes.ts';

/** A controller that was asked for and does not reach the cgroup. */
export interface MissingController {
  readonly controller: string;
  /** The directory of the topmost cgroup that does not have it, or could not hand it down. */
  readonly level: string;
  /** Why: it is not in cgroup.controllers there, or what the kernel said. */
  readonly reason: string;
}

/** The controllers that an existing cgroup has. */
export function controllers(cgroup: Cgroup): string[] {
  return readWords(cgroup, 'cgroup.controllers');
}

/**
 * Hands controllers down from the root, level by level, so that `cgroup` has them (it need not exist yet, what it lies in must). Those
 * that do not get there are returned, and why. SystemError EBUSY where a level on the way has processes of its own.
 */
export function delegate(cgroup: Cgroup, wanted: readonly string[]): MissingController[] {
  const missing: MissingController[] = [];
  let arriving = [...new Set(wanted)];
  for (const level of lineage(cgroup).slice(0, -1)) {
    const refused = handDown(level, arriving);
    missing.push(...refused);
    arriving = arriving.filter(controller => !refused.some(entry => entry.controller === controller));
  }
  return missing;
}

function handDown(level: Cgroup, wanted: readonly string[]): MissingController[] {
  const available = controllers(level);
  const enabled = readWords(level, 'cgroup.subtree_control');
  const refused = wanted
    .filter(controller => !available.includes(controller))
    .map(controller => ({ controller, level: level.path, reason: `not in ${level.path}/cgroup.controllers` }));
  const toEnable = wanted.filter(controller => available.includes(controller) && !enabled.includes(controller));
  if (toEnable.length > 0) refuseIfOccupied(level);
  for (const controller of toEnable) {
    try {
      writeInterface(level, 'cgroup.subtree_control', `+${controller}`);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      refused.push({ controller, level: level.path, reason: error.message });
    }
  }
  return refused;
}

/**
 * Only leaves may have processes. The kernel itself says EBUSY for some controllers; for others (cpu, pids, cpuset) it would accept, and
 * make every cgroup below useless (`domain invalid`).
 */
function refuseIfOccupied(level: Cgroup): void {
  if (isHierarchyRoot(level)) return;
  const own = pids(level);
  if (own.length === 0) return;
  const detail = `${level.path} has processes of its own (${own.join(', ')}), so it cannot hand controllers down; move them to a cgroup below`;
  throw systemError('cgroup.subtree_control', errnoOf('EBUSY'), detail);
}
