/** The commands that a person would type for what this backend does. */
import { existsSync } from 'node:fs';
import { shellCommand, shellQuote } from 'kuke/plugin';
import type { Cgroup } from '../../src/host/cgroupfs/cgroup.ts';
import { cgroup2MountPoint, type Mount } from '../../src/host/mountinfo.ts';
import { reach } from './delegation.ts';
import { CONTROLLERS, cgroupAt, parentOf, v1Hierarchies } from './hierarchy.ts';
import { MARK } from './mark.ts';

export function explainCreate(mounts: readonly Mount[], path: string): string {
  const { root, cgroup } = place(mounts, path);
  const words = offered(root)
    .map(name => `+${name}`)
    .join(' ');
  // Every level hands on what it got. The root of the host does so already, save for the first of ours.
  const levels = parentOf(cgroup).names.length === 0 ? [root, cgroup] : [cgroup];
  const delegation = levels.map(
    level => `echo ${shellQuote(words)} > ${shellQuote(`${level.path}/cgroup.subtree_control`)}`,
  );
  return [
    shellCommand('mkdir', cgroup.path),
    `setfattr -n trusted.${MARK} -v "$KUKE_INSTANCE" ${shellQuote(cgroup.path)}`,
    ...(words === '' ? [] : delegation),
  ].join('\n');
}

export function explainRemove(mounts: readonly Mount[], path: string): string {
  const { cgroup } = place(mounts, path);
  const leftovers = v1Hierarchies(mounts)
    .map(({ mountPoint }) => `${mountPoint}${path}`)
    .filter(directory => existsSync(directory));
  return [
    `echo 1 > ${shellQuote(`${cgroup.path}/cgroup.kill`)}`,
    `find ${[cgroup.path, ...leftovers].map(shellQuote).join(' ')} -depth -type d -exec rmdir {} \\;`,
  ].join('\n');
}

/** A host without cgroup2 is one on which nothing can be done, but it can be explained. */
function place(mounts: readonly Mount[], path: string): { root: Cgroup; cgroup: Cgroup } {
  const mountPoint = cgroup2MountPoint(mounts) ?? '/sys/fs/cgroup';
  const root: Cgroup = { root: mountPoint, names: [], path: mountPoint };
  return { root, cgroup: cgroupAt(root, path) };
}

function offered(root: Cgroup): readonly string[] {
  return existsSync(`${root.path}/cgroup.controllers`) ? reach(root).controllers : CONTROLLERS;
}
