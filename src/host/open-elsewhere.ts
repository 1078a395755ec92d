/** What another process has open: found by /proc (proc_pid_fd(5)), taken hold of by pidfd_getfd(2), Linux 5.6. */
import { fstatSync, readdirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { errnoOf, hasCode } from './errno.ts';
import { checked, close, libc, systemError } from './libc.ts';
import { openPidfd } from './pidfd.ts';

const SYS_pidfd_getfd = 438;
const F_GETFL = 3;
const F_SETFL = 4;
// Of x86-64 and arm64 alike, as the next.
const O_ACCMODE = 0o3;
const O_APPEND = 0o2000;

/** The descriptors under which a process has that very file open, by whatever path; none of one that has gone. */
export function descriptorsOf(pid: number, path: string): number[] {
  const file = statSync(path, { throwIfNoEntry: false });
  if (file === undefined) return [];
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder)
      .filter(fd => isSame(file, `${folder}/${fd}`))
      .map(Number);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return [];
    throw error;
  }
}

/** What was closed meanwhile is none. */
function isSame({ dev, ino }: Stats, link: string): boolean {
  const open = statSync(link, { throwIfNoEntry: false });
  return open?.dev === dev && open.ino === ino;
}

/**
 * Whatever a process writes into that file from now on goes to its end: O_APPEND belongs to the open file, which both have then. Throws
 * SystemError; ENOENT where it has it open for nothing but reading.
 */
export function makeAppend(pid: number, path: string): void {
  const writing = descriptorsOf(pid, path).filter(fd => isWriting(pid, fd));
  const process = openPidfd(pid);
  if (writing.length === 0 || process === undefined)
    throw systemError('pidfd_getfd', errnoOf('ENOENT'), `${path}, for writing, in process ${pid}`);
  try {
    for (const fd of writing) {
      const own = checked('pidfd_getfd', libc().syscall(SYS_pidfd_getfd, process, fd, 0, 0, 0, 0), `pid ${pid}`);
      try {
        if (!fstatSync(own).isFile()) continue; // it was closed meanwhile, and is another one's number
        const flags = checked('fcntl', libc().fcntl(own, F_GETFL, 0), path);
        checked('fcntl', libc().fcntl(own, F_SETFL, flags | O_APPEND), path);
      } finally {
        close(own);
      }
    }
  } finally {
    close(process);
  }
}

function isWriting(pid: number, fd: number): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'))?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & O_ACCMODE) !== 0;
}
