/** Making a cgroup: one level, marked, with the controllers handed down to it. */
import { lstatSync, mkdirSync, rmdirSync } from 'node:fs';
import { type Cgroup, exists } from '../../src/host/cgroupfs/cgroup.ts';
import { errnoOf, hasCode } from '../../src/host/errno.ts';
import { asSystemError, systemError } from '../../src/host/libc.ts';
import { noteHandedDown } from './above.ts';
import { delegateThrough } from './delegation.ts';
import { inTheWay } from './errors.ts';
import { CELL_DEPTH, parentOf } from './hierarchy.ts';
import { forgetCreation, markOf, noteCreation, ownership, setMark } from './mark.ts';

/** One that is ours and there already only gets what is missing in delegation. Conflict for one that is not ours, or lies in such a one. */
export function createCgroup(cgroup: Cgroup, instance: string): void {
  if (cgroup.names.length === 1 && !exists(cgroup)) noteHandedDown(parentOf(cgroup));
  createMarked(cgroup, instance);
  delegateThrough(cgroup);
}

/** A group that hands nothing down, since processes are to live in it. */
export function createMarked(cgroup: Cgroup, instance: string): void {
  const parent = parentOf(cgroup);
  if (parent.names.length > 0) {
    const owner = ownership(parent, instance);
    if (owner === 'absent') throw systemError('mkdir', errnoOf('ENOENT'), cgroup.path);
    if (owner === 'foreign') throw inTheWay(parent);
  }
  const owner = ownership(cgroup, instance);
  // A leaf that a runtime left behind is ours by what it lies in.
  if (owner === 'foreign' && !isUnmarkedLeaf(cgroup)) throw inTheWay(cgroup);
  if (owner !== 'ours') makeMarked(cgroup, instance);
}

/** Conflict for a group that is not ours, SystemError ENOENT for none. */
export function requireOurs(cgroup: Cgroup, instance: string): void {
  const owner = ownership(cgroup, instance);
  if (owner === 'absent') throw systemError('open', errnoOf('ENOENT'), cgroup.path);
  if (owner !== 'foreign') return;
  if (!isUnmarkedLeaf(cgroup)) throw inTheWay(cgroup);
  if (ownership(parentOf(cgroup), instance) !== 'ours') throw inTheWay(parentOf(cgroup));
}

function isUnmarkedLeaf(cgroup: Cgroup): boolean {
  const isMounted = lstatSync(cgroup.path).dev !== lstatSync(cgroup.root).dev;
  return cgroup.names.length > CELL_DEPTH && !isMounted && markOf(cgroup.path) === undefined;
}

/** Killed at any point, it leaves nothing that `ownership` would not know as ours; failed, nothing at all. */
function makeMarked(cgroup: Cgroup, instance: string): void {
  noteCreation(cgroup, instance);
  try {
    const made = makeDirectory(cgroup);
    try {
      setMark(cgroup, instance);
    } catch (error) {
      if (made) rmdirSync(cgroup.path);
      throw error;
    }
  } finally {
    forgetCreation(cgroup, instance);
  }
}

/** False if it is there: left unfinished by a kuke that died, or another one was quicker this very moment. */
function makeDirectory(cgroup: Cgroup): boolean {
  try {
    mkdirSync(cgroup.path, { mode: 0o755 });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw asSystemError(error, cgroup.path);
  }
}
