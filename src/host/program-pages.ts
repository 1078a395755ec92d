/** What of a program's file is mapped counts as memory of each of its processes, though they share it all. */
import { cstring, libc } from './libc.ts';

const MADV_DONTNEED = 4;
const O_CLOEXEC = 0o2000000;

/** Enough for the first lines: the program's own, for it lies below all that is loaded later. */
const HEAD = 1024;

// Code, and the segment with which a file begins: what cannot have been written to, for of that only this process has a copy.
const UNCHANGING = /^([0-9a-f]+)-([0-9a-f]+) (?:r-xp [0-9a-f]+|r--p 0+) \S+ [1-9]\d* +\/.*$/gm;

/**
 * Lets go of the pages of the program that have been mapped so far: of Bun's some 25 MB, most of which only starting needs. What is run
 * again is mapped again, out of the page cache, which takes a millisecond or two. Best effort. madvise(2), proc_pid_maps(5).
 */
export function letGoOfProgram(): void {
  for (const [, start = '', end = ''] of headOfMaps().matchAll(UNCHANGING)) {
    const address = Number.parseInt(start, 16);
    libc().madvise(address, Number.parseInt(end, 16) - address, MADV_DONTNEED);
  }
}

/** Not by node:fs, which a program may not have loaded yet. '' without /proc. */
function headOfMaps(): string {
  const fd = libc().open(cstring('/proc/self/maps'), O_CLOEXEC, 0);
  if (fd === -1) return '';
  const bytes = new Uint8Array(HEAD);
  const size = Math.max(0, Number(libc().read(fd, bytes, HEAD)));
  libc().close(fd);
  return new TextDecoder().decode(bytes.subarray(0, size));
}
