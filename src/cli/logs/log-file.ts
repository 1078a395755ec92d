/** A container's log (spec.md §2): what it wrote, as it wrote it. It may be cut short, or moved away and begun anew, while it is read. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { asFileError } from '../../kernel/file-errors.ts';

const PIECE = 64 * 1024;
const NEWLINE = 10;

/** Takes what was read; false: nobody wants more. The bytes are its own only until it resolves. */
export type Sink = (bytes: Uint8Array) => Promise<boolean>;

export interface LogFile extends Disposable {
  /** Gives what has come since the last call; false once nobody wants more. */
  pull(sink: Sink): Promise<boolean>;
}

/** Where to begin: with the last so many lines, or at a byte. */
export type Start = { lines: number } | { offset: number };

/** One that is not there yet is empty. Throws NotRoot for one that may not be read. */
export function openLog(path: string, start: Start): LogFile {
  const buffer = new Uint8Array(PIECE);
  let fd = open(path);
  let offset =
    fd === undefined ? 0 : 'offset' in start ? start.offset : offsetOfLast(fd, fstatSync(fd).size, start.lines);

  const pullOpen = async (sink: Sink): Promise<boolean> => {
    if (fd === undefined) return true;
    const { size } = fstatSync(fd);
    if (size < offset) offset = 0; // cut short, as logrotate's copytruncate does
    while (offset < size) {
      const length = readSync(fd, buffer, 0, Math.min(PIECE, size - offset), offset);
      if (length === 0) break;
      offset += length;
      if (!(await sink(buffer.subarray(0, length)))) return false;
    }
    return true;
  };
  return {
    async pull(sink) {
      if (!(await pullOpen(sink))) return false;
      const next = another(path, fd);
      if (next === undefined) return true;
      if (fd !== undefined) closeSync(fd);
      [fd, offset] = [next, 0];
      return pullOpen(sink);
    },
    [Symbol.dispose]() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

function open(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw asFileError(error);
  }
}

/** What stands at the path now, if it is another file, and something is in it: until then the one that was moved away is written to. */
function another(path: string, fd: number | undefined): number | undefined {
  try {
    const there = statSync(path);
    if (fd === undefined) return open(path);
    return there.ino !== fstatSync(fd).ino && there.size > 0 ? open(path) : undefined;
  } catch {
    return undefined; // nothing is there
  }
}

/** Where the last so many lines begin, found from the end. One without a line's end counts as one. */
export function offsetOfLast(fd: number, size: number, lines: number): number {
  if (lines === Number.POSITIVE_INFINITY) return 0;
  if (lines === 0) return size;
  const buffer = new Uint8Array(PIECE);
  let found = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - PIECE);
    const length = readSync(fd, buffer, 0, end - start, start);
    for (let at = length - 1; at >= 0; at--) {
      if (buffer[at] !== NEWLINE || start + at === size - 1) continue;
      if (++found === lines) return start + at + 1;
    }
    end = start;
  }
  return 0;
}
