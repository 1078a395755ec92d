/** Opening a log whose path came from outside, as root: what others can plant there must not be written to. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { errnoOf } from './errno.ts';
import { asSystemError, systemError } from './libc.ts';
import { changeableOnTheWay } from './trusted-path.ts';

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;

/**
 * Opens a file for appending and returns its descriptor; one that is missing is made, mode 0600. SystemError: EPERM where anybody else
 * could have put the file, or a folder or symbolic link on the way to it, in its place; ELOOP for a symbolic link; ENOENT, ENOSPC, ...
 */
export function openLogFile(path: string): number {
  if (!isAbsolute(path)) throw systemError('open', errnoOf('EINVAL'), `${path}, which is not an absolute path`);
  try {
    const found = changeableOnTheWay(dirname(path));
    if (found !== undefined) throw refused(found.path, 'which others can change');
    const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    const stat = fstatSync(fd);
    // A hard link may have been planted just as well as a symbolic one.
    if (stat.isFile() && stat.uid === process.geteuid?.() && stat.nlink === 1) return fd;
    closeSync(fd);
    throw refused(path, 'which is not a file of our own');
  } catch (error) {
    throw asSystemError(error, path);
  }
}

function refused(path: string, why: string): Error {
  return systemError('open', errnoOf('EPERM'), `${path}, ${why}`);
}
