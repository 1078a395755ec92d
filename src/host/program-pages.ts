/** What of a program's file is mapped counts as memory of each of its processes, though they share it all. */
import { readFileSync } from 'node:fs';
import { libc } from './libc.ts';

const MADV_DONTNEED = 4;

// Code, and the segment with which a file begins: what cannot have been written to, for of that only this process has a copy.
const UNCHANGING = /^([0-9a-f]+)-([0-9a-f]+) (?:r-xp [0-9a-f]+|r--p 0+) \S+ [1-9]\d* +\/.*$/gm;

/**
 * Lets go of the pages of program and libraries that have been mapped so far: of Bun's some 25 MB, most of which only starting needs. What
 * is run again is mapped again, out of the page cache. Best effort. madvise(2), proc_pid_maps(5).
 */
export function letGoOfProgram(): void {
  for (const [, start = '', end = ''] of ownMaps().matchAll(UNCHANGING)) {
    const address = Number.parseInt(start, 16);
    libc().madvise(address, Number.parseInt(end, 16) - address, MADV_DONTNEED);
  }
}

function ownMaps(): string {
  try {
    return readFileSync('/proc/self/maps', 'latin1');
  } catch {
    return ''; // no /proc
  }
}
