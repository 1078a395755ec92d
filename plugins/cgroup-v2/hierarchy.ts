/** Where the tree is: the cgroup2 mount, the v1 hierarchies beside it on a hybrid host, and the cgroup that a path means. */
import { CGROUP_ROOT, KukeError } from 'kuke/plugin';
import { type Cgroup, cgroupRoot, descendant, isCgroupName } from '../../src/host/cgroupfs/cgroup.ts';
import { cgroup2MountPoint, type Mount, mountOf } from '../../src/host/mountinfo.ts';

/** What kuke can limit, and hands down (spec.md §5). */
export const CONTROLLERS: readonly string[] = ['cpu', 'cpuset', 'memory', 'io', 'pids', 'hugetlb'];

/** Of `/kukeon/<realm>/<space>/<stack>/<cell>` (spec.md §5); below lie the containers' leaves. */
export const CELL_DEPTH = 5;

/** A cgroup v1 hierarchy. */
export interface V1Hierarchy {
  mountPoint: string;
  /** Its controllers stand among them: `rw`, `cpu`, `cpuacct`. */
  options: readonly string[];
}

const roots = new WeakMap<readonly Mount[], Cgroup>();

/** The root below which `/kukeon` lies. Throws HostNotReady. */
export function unifiedRoot(mounts: readonly Mount[]): Cgroup {
  const root = roots.get(mounts) ?? findRoot(mounts);
  roots.set(mounts, root);
  return root;
}

function findRoot(mounts: readonly Mount[]): Cgroup {
  const mountPoint = cgroup2MountPoint(mounts);
  if (mountPoint !== undefined) return cgroupRoot(mountPoint);
  // Where v1 is mounted, systemd and runc look for v2 at `unified`.
  const folder = v1Hierarchies(mounts).length > 0 ? '/sys/fs/cgroup/unified' : '/sys/fs/cgroup';
  throw new KukeError('HostNotReady', 'no cgroup2 file system is mounted', {
    remedy: `mount it: mkdir -p ${folder} && mount -t cgroup2 cgroup2 ${folder}`,
  });
}

/** Each hierarchy once, at the mount that shows the whole of it if there is one. */
export function v1Hierarchies(mounts: readonly Mount[]): V1Hierarchy[] {
  const visible = mounts.filter(
    mount => mount.fsType === 'cgroup' && mountOf(mounts, mount.mountPoint)?.id === mount.id,
  );
  return [...Map.groupBy(visible, mount => mount.device).values()].flatMap(same => {
    const mount = same.find(({ root }) => root === '/') ?? same[0];
    return mount === undefined ? [] : [{ mountPoint: mount.mountPoint, options: mount.superOptions }];
  });
}

/** `/kukeon/main` below a root. A path that is not `/kukeon` or below it, or could lead out of it, is a bug of the caller's. */
export function cgroupAt(root: Cgroup, path: string): Cgroup {
  const [empty, ...names] = path.split('/');
  if (empty === '' && `/${names[0]}` === CGROUP_ROOT && names.every(isCgroupName)) return descendant(root, ...names);
  throw new KukeError('Internal', `${JSON.stringify(path)} is not the path of one of kuke's cgroups`);
}

/** The cgroup that `cgroup` lies in directly; itself for the root. */
export function parentOf(cgroup: Cgroup): Cgroup {
  return descendant({ root: cgroup.root, names: [], path: cgroup.root }, ...cgroup.names.slice(0, -1));
}

/** `/kukeon/main`, as kuke names it. */
export function pathOf(cgroup: Cgroup): string {
  return `/${cgroup.names.join('/')}`;
}
