/** What of a folder this process has open. */
import { readdirSync, readlinkSync } from 'node:fs';

/** Paths, one for each descriptor. */
export function descriptorsIn(folder: string): string[] {
  return readdirSync('/proc/self/fd')
    .flatMap(fd => linkOf(`/proc/self/fd/${fd}`) ?? [])
    .filter(path => path.startsWith(`${folder}/`))
    .sort();
}

/** Undefined: that was the folder's own, which has just been read. */
function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
