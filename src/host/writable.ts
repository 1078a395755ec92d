/** Whether a folder can take files: root is refused by no mode, but by a read-only file system and by a full one. */
import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { asSystemError } from './libc.ts';

/** Below this, in bytes, the next file may not fit. */
const LEAST = 1 << 16;

/** Undefined: it can, or it is not there and can be made. Else why not, with the path that is at fault. */
export function whyUnwritable(folder: string): string | undefined {
  const there = nearest(folder);
  try {
    accessSync(there, constants.W_OK);
    const { bavail, bsize, blocks, files, ffree } = statfsSync(there);
    const left = bavail * bsize;
    if (blocks > 0 && left < LEAST) return `${there} has ${left} bytes left: no space left on device (ENOSPC)`;
    return files > 0 && ffree === 0 ? `${there} has no inodes left: no space left on device (ENOSPC)` : undefined;
  } catch (error) {
    return String(asSystemError(error, there));
  }
}

function nearest(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearest(dirname(path));
}
