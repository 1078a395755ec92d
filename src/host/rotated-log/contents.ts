/** All that is left of a log, as one row of bytes, wherever they are: each has the number that it had when it was written. */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { hasCode } from '../errno.ts';
import { dataStart } from '../file-space.ts';
import type { LogIndex, Marks } from './log-index.ts';
import { piecesOf } from './pieces.ts';

export interface Contents extends Disposable {
  /** Of the first byte that is left, and of the next that will be written. */
  start(): number;
  end(): number;
  /** From the first byte at or after `offset`; `length` 0: there is none yet. */
  read(offset: number, buffer: Uint8Array): { offset: number; length: number };
  /** When something was last written to it, in milliseconds since 1970. */
  changedAt(): number | undefined;
}

/** Throws as node:fs does. */
export function openContents(path: string, index: LogIndex): Contents {
  let fd = open(path);
  /** Of a file that has taken the place of the one before, or was cut short, until the index says so, too. */
  let own: { base: number; marks: Readonly<Marks> } | undefined;
  let piece: { fd: number; start: number; end: number } | undefined;

  const base = (): number => {
    if (own !== undefined && !isSame(own.marks, index.marks)) own = undefined;
    return own?.base ?? baseOf(fd, index.marks);
  };
  const gone = (): number => (own === undefined ? index.marks.gone : Math.max(own.base, index.marks.gone));
  const size = (): number => (fd === undefined ? 0 : fstatSync(fd).size);

  const readPiece = (offset: number, buffer: Uint8Array) => {
    if (piece === undefined || offset < piece.start || offset >= piece.end) {
      if (piece !== undefined) closeSync(piece.fd);
      piece = undefined;
      const next = piecesOf(path).find(one => one.end > offset && one.start < gone());
      const opened = next && open(next.path);
      if (next === undefined || opened === undefined) return undefined;
      piece = { ...next, fd: opened };
    }
    const from = Math.max(offset, piece.start);
    const length = Math.min(buffer.length, piece.end - from, gone() - from);
    return { offset: from, length: readSync(piece.fd, buffer, 0, length, from - piece.start) };
  };

  /** What is written goes to the end of the file, and what is taken from its beginning, the index tells before. */
  const readOwn = (offset: number, buffer: Uint8Array): number => {
    for (;;) {
      const [before, from] = [index.marks, base()];
      const length = fd === undefined ? 0 : readSync(fd, buffer, 0, buffer.length, offset - from);
      index.refresh();
      if (isSame(before, index.marks) && from === base()) return length;
      if (offset < gone()) return 0;
    }
  };

  /** What stands at the path now, if it is another file, is gone on with as if it were the same. */
  const takeAnother = (offset: number): boolean => {
    const next = another(path, fd);
    if (next === undefined) return false;
    if (fd !== undefined) closeSync(fd);
    fd = next;
    own = { base: offset, marks: index.marks };
    return true;
  };

  return {
    start() {
      return piecesOf(path)[0]?.start ?? Math.max(base(), gone());
    },
    end: () => Math.max(base() + size(), gone()),
    read(offset, buffer) {
      for (;;) {
        index.refresh();
        fd ??= open(path);
        if (offset < gone()) {
          const found = readPiece(offset, buffer);
          if (found !== undefined && found.length > 0) return found;
          if (offset < gone()) return this.read(gone(), buffer);
        }
        if (base() + size() < offset) own = { base: offset, marks: index.marks }; // cut short, as logrotate's copytruncate does
        const length = readOwn(offset, buffer);
        if (length > 0 || (offset >= gone() && !takeAnother(offset))) return { offset, length };
      }
    },
    changedAt: () => (fd === undefined ? undefined : Math.floor(fstatSync(fd).mtimeMs)),
    [Symbol.dispose]() {
      for (const one of [fd, piece?.fd]) if (one !== undefined) closeSync(one);
      [fd, piece] = [undefined, undefined];
    },
  };
}

const isSame = (a: Readonly<Marks>, b: Readonly<Marks>): boolean =>
  a.base === b.base && a.gone === b.gone && a.isCollapsing === b.isCollapsing;

/** Which of all bytes the first one of the file is. */
export function baseOf(fd: number | undefined, { base, gone, isCollapsing }: Marks): number {
  if (!isCollapsing || fd === undefined) return base;
  return dataStart(fd) < gone - base || fstatSync(fd).size === 0 ? gone : base;
}

function open(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** What stands at the path now, if it is another file, and something is in it: until then the one that was moved away is written to. */
function another(path: string, fd: number | undefined): number | undefined {
  if (fd === undefined) return undefined;
  const there = statSync(path, { throwIfNoEntry: false });
  return there === undefined || there.ino === fstatSync(fd).ino || there.size === 0 ? undefined : open(path);
}
