/** The commands that a person would type for what this backend does. */
import { existsSync } from 'node:fs';
import { type LimitField, type Limits, shellCommand, shellQuote } from 'kuke/plugin';
import type { Cgroup } from '../../src/host/cgroupfs/cgroup.ts';
import { cgroup2MountPoint, type Mount } from '../../src/host/mountinfo.ts';
import { reach } from './delegation.ts';
import { CONTROLLERS, cgroupAt, parentOf, v1Hierarchies } from './hierarchy.ts';
import { examine } from './limits/examine.ts';
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
  return [...making(cgroup), ...(words === '' ? [] : delegation)].join('\n');
}

const making = ({ path }: Cgroup) => [
  shellCommand('mkdir', '-p', path),
  `setfattr -n trusted.${MARK} -v "$KUKE_INSTANCE" ${shellQuote(path)}`,
];

/** What there is to write; the kernel's word on what cannot be is a comment. */
export function explainLimit(
  mounts: readonly Mount[],
  path: string,
  limits: Limits,
  take?: readonly LimitField[],
): string {
  const { cgroup } = place(mounts, path);
  const lines = examine(cgroup, limits, mounts, take).limits.flatMap(({ knob, observation, isTaken }) => {
    const { field, asked, manual, fault, notEnforced, due } = observation;
    const why = fault ?? notEnforced;
    const text = asked === undefined ? knob.unset : knob.text(asked);
    if (due && (asked !== undefined || !manual || isTaken)) {
      const write = (what: string) => `echo ${shellQuote(what)} > ${shellQuote(`${cgroup.path}/${knob.file}`)}`;
      const instead = asked === undefined ? knob.unsetInstead?.() : undefined;
      return instead === undefined ? write(text) : `${write(text)} || ${write(instead)}`;
    }
    return why === undefined ? [] : [`# ${`${field}: ${why}`.replaceAll(/\s+/g, ' ')}`];
  });
  return lines.length === 0 ? '# nothing is to be written' : lines.join('\n');
}

export function explainLeaf(mounts: readonly Mount[], path: string, limits: Limits): string {
  const { root, cgroup } = place(mounts, path);
  const hasMemory = offered(root).includes('memory');
  return [
    ...making(cgroup),
    ...(hasMemory ? [`echo 1 > ${shellQuote(`${cgroup.path}/memory.oom.group`)}`] : []),
    explainLimit(mounts, path, limits),
  ].join('\n');
}

export function explainRemove(mounts: readonly Mount[], path: string): string {
  const { cgroup } = place(mounts, path);
  const leftovers = v1Hierarchies(mounts)
    .map(({ mountPoint }) => `${mountPoint}${path}`)
    .filter(directory => existsSync(directory));
  return [
    `if [ -d ${shellQuote(cgroup.path)} ]; then`,
    `  echo 1 > ${shellQuote(`${cgroup.path}/cgroup.kill`)}`,
    `  find ${[cgroup.path, ...leftovers].map(shellQuote).join(' ')} -depth -type d -exec rmdir {} \\;`,
    'fi',
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
