/** The group of a container, made before the runtime starts it there: runc takes one that is there and empty, and removes it at the end. */
import { rmdirSync } from 'node:fs';
import type { CgroupLeaf } from 'kuke/plugin';
import { type Cgroup, exists, readIfThere, writeInterface } from '../../src/host/cgroupfs/cgroup.ts';
import type { Mount } from '../../src/host/mountinfo.ts';
import { createMarked } from './create.ts';
import { setLimits } from './limits/set.ts';
import { noteLife } from './oom.ts';

export interface Leaf extends Pick<CgroupLeaf, 'limits' | 'oomKills'> {
  cgroup: Cgroup;
  instance: string;
  mounts: readonly Mount[];
  note(message: string): void;
}

/** Hands nothing down, since processes are to live in it. After a failure it is not there, unless it was before. */
export function prepareLeaf({ cgroup, limits, oomKills, instance, mounts, note }: Leaf): void {
  const wasThere = exists(cgroup);
  createMarked(cgroup, instance);
  try {
    setLimits({ cgroup, limits, mounts, note });
    // What is left of a container of which one process was killed is seldom of use.
    if (readIfThere(cgroup, 'memory.oom.group') !== undefined) writeInterface(cgroup, 'memory.oom.group', 1);
    noteLife(cgroup, oomKills);
  } catch (error) {
    if (!wasThere) rmdirSync(cgroup.path);
    throw error;
  }
}
