/** Handing controllers down (cgroup-v2.rst, "Controlling Controllers"): as far as the host lets us, and no cell fails for it. */
import { CGROUP_ROOT } from 'kuke/plugin';
import { type Cgroup, children, descendant, lineage, readWords } from '../../src/host/cgroupfs/cgroup.ts';
import { controllers, delegate } from '../../src/host/cgroupfs/controllers.ts';
import { SystemError } from '../../src/host/errno.ts';
import { CONTROLLERS } from './hierarchy.ts';
import { forgetFound } from './limits/record.ts';

/**
 * From the root to the cgroup itself, so that what a runtime makes in it has them as well. A level that has processes of its own, or
 * that the kernel refuses for another reason, hands down what it handed down before. Controllers that are there are never taken away.
 * Returns what the kernel said of each that a level has and does not hand down.
 */
export function delegateThrough(cgroup: Cgroup): Map<string, string> {
  const refused = new Map<string, string>();
  for (const level of lineage(cgroup)) {
    const alone: Cgroup = { root: level.path, names: [], path: level.path };
    try {
      forgetLost(level);
      const here = controllers(level);
      for (const { controller, reason } of delegate(descendant(alone, 'below'), CONTROLLERS))
        if (here.includes(controller)) refused.set(controller, reason);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
  }
  return refused;
}

/** What was written below a level that handed a controller down once, and does not now, is gone. */
function forgetLost(level: Cgroup): void {
  const enabled = readWords(level, 'cgroup.subtree_control');
  const coming = controllers(level).filter(name => CONTROLLERS.includes(name) && !enabled.includes(name));
  const below = level.names.length === 0 ? [descendant(level, CGROUP_ROOT.slice(1))] : children(level);
  if (coming.length > 0) for (const group of below) forgetFound(group, coming);
}

export interface Reach {
  controllers: string[];
  /** Limits of these kinds are not enforced in the cgroup. */
  missing: string[];
}

/** Which of the controllers have arrived in an existing cgroup. */
export function reach(cgroup: Cgroup): Reach {
  const here = new Set(controllers(cgroup));
  return {
    controllers: CONTROLLERS.filter(name => here.has(name)),
    missing: CONTROLLERS.filter(name => !here.has(name)),
  };
}
