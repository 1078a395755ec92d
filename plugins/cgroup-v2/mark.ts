/**
 * Whose a cgroup is. One that kuke makes carries the instance id in the extended attribute `trusted.kukeon.instance`
 * (`getfattr -n trusted.kukeon.instance DIR`; attribute.ts). What lies in a marked group, such as a container's leaf that runc made, is
 * ours by that; save directly below `/kukeon`.
 */
import { lstatSync } from 'node:fs';
import type { Cgroup } from '../../src/host/cgroupfs/cgroup.ts';
import { getAttribute, removeAttribute, setAttribute } from './attribute.ts';
import { parentOf } from './hierarchy.ts';

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
  if (getAttribute(parentOf(cgroup).path, creating(cgroup)) === instance) return 'unfinished';
  // Its maker may have marked it, and taken the note away, since the first look.
  return markOf(cgroup.path) === instance ? 'ours' : 'foreign';
}

/** The instance id that a directory carries; undefined: none. */
export function markOf(directory: string): string | undefined {
  return getAttribute(directory, MARK);
}

/** Until `forgetCreation`, the cgroup counts as `unfinished`, and so as ours, from the moment it exists. */
export function noteCreation(cgroup: Cgroup, instance: string): void {
  setAttribute(parentOf(cgroup).path, creating(cgroup), instance);
}

export function setMark(cgroup: Cgroup, instance: string): void {
  setAttribute(cgroup.path, MARK, instance);
}

/** Takes the note of an unfinished creation away, if there is one. */
export function forgetCreation(cgroup: Cgroup, instance: string): void {
  const parent = parentOf(cgroup).path;
  if (getAttribute(parent, creating(cgroup)) !== instance) return;
  removeAttribute(parent, creating(cgroup));
}

const creating = (cgroup: Cgroup) => `${CREATING}.${cgroup.names.at(-1) ?? ''}`;
