/**
 * Whose a cgroup is. One that kuke makes carries the instance id in the extended attribute `trusted.kukeon.instance`
 * (`getfattr -n trusted.kukeon.instance DIR`), or in `user.kukeon.instance` where the kernel refuses the former, as it does in a user
 * namespace. What lies in a marked group, such as a container's leaf that runc made, is ours by that; save directly below `/kukeon`.
 */
import { lstatSync } from 'node:fs';
import type { Cgroup } from '../../src/host/cgroupfs/cgroup.ts';
import { hasCode } from '../../src/host/errno.ts';
import { getXattr, removeXattr, setXattr } from '../../src/host/xattr.ts';
import { parentOf } from './hierarchy.ts';

const NAMESPACES = ['trusted', 'user'] as const;
/** Of a group: the instance id. */
export const MARK = 'kukeon.instance';
/** Of a parent, with a name behind it, while a group of that name is made in it: a directory cannot be made and marked in one step. */
const CREATING = 'kukeon.creating';

/** `unfinished`: made by a kuke that died before it was marked. */
export type Ownership = 'absent' | 'ours' | 'unfinished' | 'foreign';

export function ownership(cgroup: Cgroup, instance: string): Ownership {
  const found = lstatSync(cgroup.path, { throwIfNoEntry: false });
  if (found === undefined) return 'absent';
  // Something else may be mounted there.
  if (found.dev !== lstatSync(cgroup.root).dev) return 'foreign';
  const mark = markOf(cgroup.path);
  if (mark !== undefined) return mark === instance ? 'ours' : 'foreign';
  if (get(parentOf(cgroup).path, creating(cgroup)) === instance) return 'unfinished';
  // Its maker may have marked it, and taken the note away, since the first look.
  return markOf(cgroup.path) === instance ? 'ours' : 'foreign';
}

/** The instance id that a directory carries; undefined: none. */
export function markOf(directory: string): string | undefined {
  return get(directory, MARK);
}

/** Until `forgetCreation`, the cgroup counts as `unfinished`, and so as ours, from the moment it exists. */
export function noteCreation(cgroup: Cgroup, instance: string): void {
  set(parentOf(cgroup).path, creating(cgroup), instance);
}

export function setMark(cgroup: Cgroup, instance: string): void {
  set(cgroup.path, MARK, instance);
}

/** Takes the note of an unfinished creation away, if there is one. */
export function forgetCreation(cgroup: Cgroup, instance: string): void {
  const parent = parentOf(cgroup).path;
  if (get(parent, creating(cgroup)) !== instance) return;
  for (const namespace of NAMESPACES) {
    try {
      removeXattr(parent, `${namespace}.${creating(cgroup)}`);
    } catch (error) {
      if (!isRefused(error) && !hasCode(error, 'ENOENT')) throw error;
    }
  }
}

const creating = (cgroup: Cgroup) => `${CREATING}.${cgroup.names.at(-1) ?? ''}`;
const isRefused = (error: unknown) => hasCode(error, 'EPERM', 'EOPNOTSUPP');

function get(directory: string, name: string): string | undefined {
  for (const namespace of NAMESPACES) {
    try {
      const value = getXattr(directory, `${namespace}.${name}`);
      if (value !== undefined) return value;
    } catch (error) {
      if (!isRefused(error) && !hasCode(error, 'ENOENT', 'ENODEV')) throw error;
    }
  }
  return undefined;
}

function set(directory: string, name: string, value: string): void {
  const refusals: unknown[] = [];
  for (const namespace of NAMESPACES) {
    try {
      setXattr(directory, `${namespace}.${name}`, value);
      return;
    } catch (error) {
      if (!isRefused(error)) throw error;
      refusals.push(error);
    }
  }
  throw refusals[0];
}
