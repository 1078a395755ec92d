/** Why a controller is not where a limit of its kind is asked for. */
import { closeSync, constants, openSync } from 'node:fs';
import {
  type Cgroup,
  exists,
  interfacePath,
  isHierarchyRoot,
  lineage,
  wordsIfThere,
} from '../../src/host/cgroupfs/cgroup.ts';
import { pids } from '../../src/host/cgroupfs/processes.ts';
import { hasCode } from '../../src/host/errno.ts';
import { asSystemError } from '../../src/host/libc.ts';
import type { Mount } from '../../src/host/mountinfo.ts';
import { v1Hierarchies } from './hierarchy.ts';

const HANDED_DOWN = 'cgroup.subtree_control';
// v1 has another name for one of them.
const V1_NAMES: Record<string, string> = { io: 'blkio' };

/** Of one that the root of the hierarchy lacks: `cgroup v1 at /sys/fs/cgroup/memory holds the controller memory`. */
export function whyAbsent(mounts: readonly Mount[], name: string): { reason: string; remedy: string } {
  const holder = v1Hierarchies(mounts).find(({ options }) => options.includes(V1_NAMES[name] ?? name));
  return holder === undefined
    ? {
        reason: `no cgroup controller ${name}`,
        remedy: 'the kernel lacks it, or what this host runs in (a container, say) does not hand it down',
      }
    : {
        reason: `cgroup v1 at ${holder.mountPoint} holds the controller ${name}`,
        remedy: 'boot with systemd.unified_cgroup_hierarchy=1 on the kernel command line',
      };
}

/** Of those that a level has and could not hand down, now or when it is told to. */
export function whyKept(level: Cgroup, names: readonly string[]): string | undefined {
  if (isHierarchyRoot(level)) return undefined;
  const enabled = wordsIfThere(level, HANDED_DOWN);
  const waiting = names.filter(name => !enabled.includes(name));
  if (waiting.length === 0 || pids(level).length === 0) return undefined;
  return `${level.path} has processes of its own, so it does not hand down ${waiting.join(' ')}`;
}

/** The kernel's word, where a level could not even be told to hand a controller down. */
function whyReadOnly(level: Cgroup, name: string): string | undefined {
  if (wordsIfThere(level, HANDED_DOWN).includes(name)) return undefined;
  const path = interfacePath(level, HANDED_DOWN);
  try {
    closeSync(openSync(path, constants.O_WRONLY));
    return undefined;
  } catch (error) {
    const why = hasCode(error, 'EROFS', 'EACCES', 'EPERM') ? asSystemError(error, path) : undefined;
    return why instanceof Error ? why.message : undefined;
  }
}

/** Why a controller does not get to a cgroup, whether that exists yet or not; undefined: it is there, or will be when it is handed down. */
export function whyMissing(cgroup: Cgroup, name: string, mounts: readonly Mount[]): string | undefined {
  const levels = lineage(cgroup).filter(exists);
  const [root] = levels;
  // A host on which nothing can be done can still be explained.
  if (root === undefined) return undefined;
  if (!wordsIfThere(root, 'cgroup.controllers').includes(name)) return whyAbsent(mounts, name).reason;
  for (const level of levels.filter(one => one.path !== cgroup.path)) {
    const kept = whyKept(level, [name]) ?? whyReadOnly(level, name);
    if (kept !== undefined) return kept;
  }
  return undefined;
}
