/** Making and removing cgroups. */
import { mkdirSync, rmdirSync } from 'node:fs';
import { errnoOf, hasCode } from '../errno.ts';
import { asSystemError, systemError } from '../libc.ts';
import { type Cgroup, children, exists, lineage } from './cgroup.ts';
import { pids } from './processes.ts';

/**
 * Creates a cgroup and the missing ones above it, level by level. Returns those that were made, outermost first; after an error none of
 * them is left. EEXIST if an interface file has that name, EAGAIN if cgroup.max.descendants or cgroup.max.depth forbids it.
 */
export function create(cgroup: Cgroup): Cgroup[] {
  const made: Cgroup[] = [];
  try {
    for (const level of lineage(cgroup)) if (makeDirectory(level)) made.push(level);
    return made;
  } catch (error) {
    for (const level of made.toReversed()) rmdirSync(level.path);
    throw error;
  }
}

function makeDirectory(cgroup: Cgroup): boolean {
  if (exists(cgroup)) return false;
  try {
    mkdirSync(cgroup.path, { mode: 0o755 });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST') && exists(cgroup)) return false; // somebody else was quicker
    throw asSystemError(error, cgroup.path);
  }
}

/**
 * Removes a cgroup and all below it, depth first; false if it did not exist. Nothing is killed: what still has processes stays, with
 * what it lies in, while the rest is removed; then SystemError EBUSY names the processes, or an AggregateError several of these.
 */
export function remove(cgroup: Cgroup): boolean {
  const existed = exists(cgroup);
  const errors = removeDepthFirst(cgroup);
  if (errors.length > 1) throw new AggregateError(errors, errors.map(error => `${error}`).join('; '));
  if (errors.length === 1) throw errors[0];
  return existed;
}

function removeDepthFirst(cgroup: Cgroup): unknown[] {
  const errors = children(cgroup).flatMap(removeDepthFirst);
  if (errors.length > 0) return errors;
  try {
    rmdirSync(cgroup.path);
    return [];
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    if (!hasCode(error, 'EBUSY')) return [asSystemError(error, cgroup.path)];
    return [systemError('rmdir', errnoOf('EBUSY'), `${cgroup.path} (processes: ${pids(cgroup).join(', ') || 'none'})`)];
  }
}
