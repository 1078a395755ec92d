/** Handing controllers down (cgroup-v2.rst, "Controlling Controllers"): as far as the host lets us, and no cell fails for it. */
import { type Cgroup, descendant, lineage } from '../../src/host/cgroupfs/cgroup.ts';
import { controllers, delegate } from '../../src/host/cgroupfs/controllers.ts';
import { SystemError } from '../../src/host/errno.ts';
import { CONTROLLERS } from './hierarchy.ts';

/**
 * From the root to the cgroup itself, so that what a runtime makes in it has them as well. A level that has processes of its own, or
 * that the kernel refuses for another reason, hands down what it handed down before. Controllers that are there are never taken away.
 */
export function delegateThrough(cgroup: Cgroup): void {
  for (const level of lineage(cgroup)) {
    const alone: Cgroup = { root: level.path, names: [], path: level.path };
    try {
      delegate(descendant(alone, 'below'), CONTROLLERS);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
  }
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
