/** What `kuke doctor` says of the host's cgroups: which limits are enforced, and why others are not. */
import type { Finding } from 'kuke/plugin';
import type { Cgroup } from '../../src/host/cgroupfs/cgroup.ts';
import { type Mount, readMounts } from '../../src/host/mountinfo.ts';
import { whyAbsent, whyKept } from './absence.ts';
import { reach } from './delegation.ts';
import { asCgroupError } from './errors.ts';
import { unifiedRoot } from './hierarchy.ts';

export function hostFindings(mounts: readonly Mount[] = readMounts()): Finding[] {
  try {
    const root = unifiedRoot(mounts);
    const { controllers, missing } = reach(root);
    const offer = controllers.length === 0 ? 'no controllers' : controllers.join(' ');
    return [
      { level: 'ok', code: 'Cgroups', what: `cgroup v2 is mounted at ${root.path}, with ${offer}` },
      ...missing.map(name => absent(mounts, name)),
      ...blocked(root, controllers),
    ];
  } catch (error) {
    const { code, message: what, remedy } = asCgroupError(error);
    return [{ level: 'error', code, what, ...(remedy !== undefined && { remedy }) }];
  }
}

function absent(mounts: readonly Mount[], name: string): Finding {
  const { reason, remedy } = whyAbsent(mounts, name);
  return { level: 'warning', code: 'ControllerMissing', what: `${reason}: its limits are not enforced`, remedy };
}

/** Where the tree begins inside a container, its own processes may keep controllers from being handed down. */
function blocked(root: Cgroup, controllers: readonly string[]): Finding[] {
  const what = whyKept(root, controllers);
  const remedy = `move them: mkdir ${root.path}/init, then write each pid into its cgroup.procs`;
  return what === undefined ? [] : [{ level: 'warning', code: 'ControllersKept', what, remedy }];
}
