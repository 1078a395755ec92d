/** What `kuke doctor` says of the host's cgroups: which limits are enforced, and why others are not. */
import type { Finding } from 'kuke/plugin';
import { type Cgroup, isHierarchyRoot, readWords } from '../../src/host/cgroupfs/cgroup.ts';
import { pids } from '../../src/host/cgroupfs/processes.ts';
import { type Mount, readMounts } from '../../src/host/mountinfo.ts';
import { reach } from './delegation.ts';
import { asCgroupError } from './errors.ts';
import { unifiedRoot, v1Hierarchies } from './hierarchy.ts';

// v1 has another name for one of them.
const V1_NAMES: Record<string, string> = { io: 'blkio' };

export function hostFindings(mounts: readonly Mount[] = readMounts()): Finding[] {
  try {
    const root = unifiedRoot(mounts);
    const { controllers, missing } = reach(root);
    const offer = controllers.length === 0 ? 'no controllers' : controllers.join(' ');
    return [
      { level: 'ok', what: `cgroup v2 is mounted at ${root.path}, with ${offer}` },
      ...missing.map(name => absent(mounts, name)),
      ...blocked(root, controllers),
    ];
  } catch (error) {
    const { message: what, remedy } = asCgroupError(error);
    return [{ level: 'error', what, ...(remedy !== undefined && { remedy }) }];
  }
}

function absent(mounts: readonly Mount[], name: string): Finding {
  const holder = v1Hierarchies(mounts).find(({ options }) => options.includes(V1_NAMES[name] ?? name));
  if (holder === undefined) {
    const remedy = 'the kernel lacks it, or what this host runs in (a container, say) does not hand it down';
    return { level: 'warning', what: `no cgroup controller ${name}: its limits are not enforced`, remedy };
  }
  const what = `cgroup v1 at ${holder.mountPoint} holds the controller ${name}: its limits are not enforced`;
  return { level: 'warning', what, remedy: 'boot with systemd.unified_cgroup_hierarchy=1 on the kernel command line' };
}

/** Where the tree begins inside a container, its own processes may keep controllers from being handed down. */
function blocked(root: Cgroup, controllers: readonly string[]): Finding[] {
  const enabled = readWords(root, 'cgroup.subtree_control');
  const waiting = controllers.filter(name => !enabled.includes(name));
  if (waiting.length === 0 || isHierarchyRoot(root) || pids(root).length === 0) return [];
  const what = `${root.path} has processes of its own, so it does not hand down ${waiting.join(' ')}`;
  return [
    { level: 'warning', what, remedy: `move them: mkdir ${root.path}/init, then write each pid into its cgroup.procs` },
  ];
}
