/** STATUS of host-local: whether an ADD could be served. */
import { accessSync, constants, type StatsFs, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { hasCode } from '../../../host/errno.ts';
import { asSystemError } from '../../../host/libc.ts';
import { PluginError } from '../plugin-error.ts';
import { exhausted } from './allocate.ts';
import { formatRangeSet, type RangeSet } from './range.ts';
import { takenIn } from './reservations.ts';

/** Changes nothing. Throws PluginError `NotAvailable`. */
export function requireUsable(folder: string, sets: readonly RangeSet[], network: string): void {
  const refuse = (msg: string, details = '') => new PluginError('NotAvailable', msg, details);
  try {
    const there = nearest(folder);
    if (!statSync(there).isDirectory())
      throw refuse(`${there} is no folder, and reservations are to be kept in ${folder}`);
    accessSync(there, constants.W_OK | constants.X_OK);
    if (isFull(statfsSync(there)))
      throw refuse(`the file system of ${there} is full: nothing can be reserved in ${folder}`);
    const taken = takenIn(folder);
    const without = exhausted(sets, address => taken.has(address));
    if (without === undefined) return;
    throw refuse(
      `no IP addresses available in range set: ${formatRangeSet(without)}`,
      `network ${network} has given all of them`,
    );
  } catch (error) {
    if (error instanceof PluginError) throw error;
    const said = asSystemError(error, folder);
    throw refuse(`reservations can't be kept in ${folder}`, said instanceof Error ? said.message : String(said));
  }
}

/** The folder, or the nearest one above that is there. */
function nearest(path: string): string {
  try {
    statSync(path);
    return path;
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR') || path === '/') throw error;
    return nearest(dirname(path));
  }
}

// Some file systems count neither.
function isFull({ blocks, bavail, files, ffree }: StatsFs): boolean {
  return (blocks > 0 && bavail === 0) || (files > 0 && ffree === 0);
}
