/** Opening a log whose path came from outside, as root: what others can plant there must not be written to. */
import { closeSync, constants, fstatSync, lstatSync, openSync, realpathSync, type Stats } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { errnoOf } from './errno.ts';
import { asSystemError, systemError } from './libc.ts';

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * Opens a file for appending and returns its descriptor; one that is missing is made, mode 0600. SystemError: EPERM where anybody else
 * could have put the file, or a folder or symbolic link on the way to it, in its place; ELOOP for a symbolic link; ENOENT, ENOSPC, ...
 */
export function openLogFile(path: string): number {
  if (!isAbsolute(path)) throw systemError('open', errnoOf('EINVAL'), `${path}, which is not an absolute path`);
  try {
    requireTrusted(dirname(path));
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

/** Every folder on the way, as it is found by following it from the root. */
function requireTrusted(folder: string): void {
  let at = '/';
  for (const name of folder.split('/').filter(Boolean)) {
    const around = lstatSync(at);
    const next = join(at, name);
    const stat = lstatSync(next);
    if (isShared(around) && (around.mode & STICKY) === 0) throw refused(at, 'in which anybody can rename');
    if (stat.uid !== 0 && stat.uid !== process.geteuid?.()) throw refused(next, "which is somebody else's");
    if (stat.isSymbolicLink() && isShared(around)) throw refused(next, 'a link that anybody could have made');
    at = stat.isSymbolicLink() ? realpathSync(next) : next;
    if (stat.isSymbolicLink()) requireTrusted(at);
  }
}

const isShared = ({ mode }: Stats): boolean => (mode & OTHERS_WRITE) !== 0;

function refused(path: string, why: string): Error {
  return systemError('open', errnoOf('EPERM'), `${path}, ${why}`);
}
