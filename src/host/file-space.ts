/** Giving back the beginning of a file that others append to: fallocate(2), lseek(2). What they write is never touched. */
import { fstatSync } from 'node:fs';
import { hasCode } from './errno.ts';
import { checked, libc } from './libc.ts';

const FALLOC_FL_KEEP_SIZE = 0x01;
const FALLOC_FL_PUNCH_HOLE = 0x02;
const FALLOC_FL_COLLAPSE_RANGE = 0x08;
const SEEK_DATA = 3;

/** Gives its first bytes back to the file system; they read as zeros. Throws SystemError: EOPNOTSUPP where a file cannot have holes. */
export function punchBeginning(fd: number, length: number): void {
  const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  checked('fallocate', libc().fallocate(fd, mode, 0, length), `fd ${fd}`);
}

/** What comes after its first bytes moves to the beginning, at once for all. False: the file system cannot do that (tmpfs, btrfs), or not in such pieces. */
export function collapseBeginning(fd: number, length: number): boolean {
  try {
    checked('fallocate', libc().fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, length), `fd ${fd}`);
    return true;
  } catch (error) {
    if (hasCode(error, 'EOPNOTSUPP', 'EINVAL', 'ENOSYS', 'EPERM', 'ETXTBSY')) return false;
    throw error;
  }
}

/** Where the first byte is that is not in a hole; its size, if there is none. */
export function dataStart(fd: number): number {
  try {
    return checked('lseek', libc().lseek(fd, 0, SEEK_DATA), `fd ${fd}`);
  } catch (error) {
    if (hasCode(error, 'ENXIO')) return fstatSync(fd).size;
    if (hasCode(error, 'EINVAL')) return 0; // a file system without holes
    throw error;
  }
}
