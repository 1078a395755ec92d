/** On a hybrid host runc makes a container's cgroup in the v1 hierarchies as well, and removes the leaf only. */
import type { Cgroup } from '../../src/host/cgroupfs/cgroup.ts';
import { remove } from '../../src/host/cgroupfs/tree.ts';

/** Removes `<mount point>/kukeon/...` and all below, if empty. What has processes stays, and is named in the error: SystemError EBUSY. */
export function removeLeftovers(mountPoint: string, names: readonly string[]): void {
  const directory: Cgroup = { root: mountPoint, names, path: [mountPoint, ...names].join('/') };
  remove(directory);
}
