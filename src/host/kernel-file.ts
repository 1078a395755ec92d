/** The kernel's pseudo files (/proc/sys, cgroupfs): a value is read whole and written with a single write(2). */
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { asSystemError } from './libc.ts';

/** The content without the newline at its end. SystemError in the kernel's words. */
export function readKernelFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch (error) {
    throw asSystemError(error, path);
  }
}

/** Writes a value; the file must exist (ENOENT otherwise). SystemError in the kernel's words, naming file and value. */
export function writeKernelFile(path: string, value: string | number): void {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_WRONLY); // not 'r+': some files can only be written
    writeSync(fd, `${value}`);
  } catch (error) {
    throw asSystemError(error, `${path} = ${value}`);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
