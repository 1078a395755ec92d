/** A file of a JSON object a line that only grows, up to a size: then it is called `NAME.1`, the one before that `NAME.2`, and so on. */
import { existsSync, fstatSync, readFileSync, readSync, renameSync, statSync, writeSync } from 'node:fs';
import { asFileError } from './file-errors.ts';

/** `kept`: how many earlier files there are at most. Newest last. */
export const lineFiles = (path: string, kept: number): string[] => [
  ...Array.from({ length: kept }, (_, index) => `${path}.${kept - index}`),
  path,
];

const NEWLINE = 10;

/** Into a file that is open to be read and appended to. One before it that was cut off, for the disk was full, takes none along. Throws as node:fs does. */
export function appendLine(fd: number, value: unknown): void {
  const last = Buffer.alloc(1);
  const { size } = fstatSync(fd);
  const isCutOff = size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== NEWLINE;
  let bytes = Buffer.from(`${isCutOff ? '\n' : ''}${JSON.stringify(value)}\n`);
  while (bytes.length > 0) bytes = bytes.subarray(writeSync(fd, bytes));
}

/** `fd`: the file that has become too large. Somebody else may have moved it by now, and what stands at the path is a new one: that stays. */
export function rotateLines(path: string, kept: number, fd: number): void {
  const there = statSync(path, { throwIfNoEntry: false });
  const { dev, ino } = fstatSync(fd);
  if (there?.ino !== ino || there.dev !== dev) return;
  for (let number = kept; number > 1; number--) {
    if (existsSync(`${path}.${number - 1}`)) renameSync(`${path}.${number - 1}`, `${path}.${number}`);
  }
  renameSync(path, `${path}.1`);
}

/** None where there is no file. Throws file errors. */
export function linesIn(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return [];
    throw asFileError(thrown);
  }
}

/** Undefined for what is none: the last line may be cut off. */
export function lineValue(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
