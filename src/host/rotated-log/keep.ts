/**
 * Keeping a log small while a program that knows nothing of it holds it open and appends to it (O_APPEND), as containerd's shim does. It could not be told
 * to open another file, and what is written between a copy and a truncation would be lost. So the beginning is copied into a piece beside
 * it, and then taken out of the file under the writer (fallocate(2)); nothing is lost, and each moment can be the last: what was copied and
 * not yet taken out, or taken out and not yet noted, is found by the next call. One process at a time does this.
 */
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync } from 'node:fs';
import { hasCode } from '../errno.ts';
import { collapseBeginning, punchBeginning } from '../file-space.ts';
import { asSystemError } from '../libc.ts';
import { writeWhole } from '../write-whole.ts';
import { baseOf } from './contents.ts';
import { type LogIndex, type Note, openIndex } from './log-index.ts';
import { piecePath, piecesOf, unfinishedPieces } from './pieces.ts';

export interface Rotation {
  /** In bytes: of the file, and of each piece; a little more while it is written fast. */
  maxSize: number;
  /** The file and its pieces; the oldest go. */
  maxFiles: number;
}

/** Pieces are whole blocks of the file system; 4 KiB where those are smaller. */
const LEAST_BLOCK = 4096;
const CHUNK = 256 * 1024;
/** Of the index: when there are more, the older half loses every second one. */
const MOST_NOTES = 4096;

export interface LogKeeper {
  /**
   * Notes how much has been written by when, and rotates what has become too large; not twice at a time. Resolves to the size that it has seen; undefined:
   * there is no such log. Throws SystemError: ENOSPC, or EOPNOTSUPP where the file system cannot give back a part of a file.
   */
  keep(rotation: Rotation): Promise<number | undefined>;
}

export function makeKeeper(path: string): LogKeeper {
  let opened: LogIndex | undefined;
  return {
    async keep(rotation) {
      let fd: number;
      try {
        fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      } catch (error) {
        if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'EISDIR')) return undefined;
        throw asSystemError(error, path);
      }
      try {
        const stat = fstatSync(fd);
        if (!stat.isFile()) return undefined;
        opened ??= openIndex(path);
        const index = opened;
        index.refresh();
        finish(fd, path, index);
        noteNow(fd, path, index);
        const { base, gone } = index.marks;
        if (base + stat.size - gone > rotation.maxSize) await rotate(fd, path, index, rotation);
        // Deleted meanwhile by another process, whom what is noted now would be in the way.
        if (isDeleted(fd)) rmSync(index.path, { force: true });
        return base + stat.size;
      } catch (error) {
        throw asSystemError(error, path);
      } finally {
        closeSync(fd);
      }
    },
  };
}

/** To be called just before a program is started that writes to it. */
export function noteStart(path: string, at: number): void {
  const index = openIndex(path);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size, mtimeMs } = fstatSync(fd);
    const total = baseOf(fd, index.marks) + size;
    // Who was there to see it may have been nobody.
    if (total > (index.notes.at(-1)?.size ?? 0)) index.note({ size: total, at: Math.floor(mtimeMs), isStart: false });
    index.note({ size: total, at, isStart: true });
  } finally {
    closeSync(fd);
  }
}

/** What a rotation that was cut off has left to do. */
function finish(fd: number, path: string, index: LogIndex): void {
  const { base, gone, isCollapsing } = index.marks;
  if (isCollapsing) {
    mark(index, { base: baseOf(fd, index.marks), gone, isCollapsing: false });
    if (index.marks.base === base) release(fd, index, gone);
  }
  const copied = piecesOf(path).at(-1)?.end ?? 0;
  if (copied > index.marks.gone && copied <= index.marks.base + fstatSync(fd).size) release(fd, index, copied);
}

function noteNow(fd: number, path: string, index: LogIndex): void {
  const { size, mtimeMs } = fstatSync(fd);
  const known = index.notes.at(-1)?.size ?? 0;
  // Somebody has cut it short, or begun it anew.
  if (index.marks.base + size < known) mark(index, { base: known, gone: known, isCollapsing: false });
  const total = index.marks.base + size;
  if (total > known) index.note({ size: total, at: Math.floor(mtimeMs), isStart: false });
  index.refresh();
  if (index.notes.length <= MOST_NOTES) return;
  index.replace(thinned(index.notes, piecesOf(path)[0]?.start ?? index.marks.gone));
  index.refresh();
}

/** Of what is gone nobody asks any more, save for the last two starts; of what is long ago, not so exactly. */
export function thinned(notes: readonly Note[], least: number): Note[] {
  const starts = new Set(notes.filter(({ isStart }) => isStart).slice(-2));
  const half = notes.length >> 1;
  return notes.filter((note, place) => {
    if (starts.has(note)) return true;
    return note.size >= least && (note.isStart || place >= half || place % 2 === 0);
  });
}

async function rotate(fd: number, path: string, index: LogIndex, { maxSize, maxFiles }: Rotation): Promise<void> {
  const { size, blksize } = fstatSync(fd);
  for (const left of unfinishedPieces(path)) rmSync(left, { force: true });
  const block = Math.max(LEAST_BLOCK, blksize);
  const { base, gone } = index.marks;
  // Not all of it: what is collapsed may not reach the end of the file.
  const end = base + Math.floor((size - 1) / block) * block;
  const most = Math.max(block, Math.floor(maxSize / block) * block);
  // After a long time without anybody to do this, there may be more than is to be kept.
  const first = Math.max(gone, end - most * (maxFiles - 1));
  for (let start = first; start < end; start += most) {
    const to = piecePath(path, start);
    await copy(fd, start - base, Math.min(most, end - start), `${to}.new`);
    if (isDeleted(fd)) return rmSync(`${to}.new`, { force: true });
    renameSync(`${to}.new`, to);
  }
  release(fd, index, end);
  const pieces = piecesOf(path);
  for (const { path: old } of pieces.slice(0, Math.max(0, pieces.length - (maxFiles - 1))))
    rmSync(old, { force: true });
}

const isDeleted = (fd: number): boolean => fstatSync(fd).nlink === 0;

async function copy(fd: number, from: number, length: number, path: string): Promise<void> {
  const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants;
  const to = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o640);
  try {
    const buffer = new Uint8Array(CHUNK);
    for (let copied = 0; copied < length; ) {
      const read = readSync(fd, buffer, 0, Math.min(CHUNK, length - copied), from + copied);
      if (read === 0) throw new Error(`${path}: the log was cut short while it was copied`);
      writeWhole(to, buffer.subarray(0, read));
      copied += read;
      await new Promise(setImmediate);
    }
    fsyncSync(to);
  } finally {
    closeSync(to);
  }
}

/** What is before `end` goes from the file; the rest moves to its beginning, where the file system can do that, or stays behind a hole. */
function release(fd: number, index: LogIndex, end: number): void {
  const { base } = index.marks;
  mark(index, { base, gone: end, isCollapsing: false });
  punchBeginning(fd, end - base);
  mark(index, { base, gone: end, isCollapsing: true });
  mark(index, { base: collapseBeginning(fd, end - base) ? end : base, gone: end, isCollapsing: false });
}

function mark(index: LogIndex, marks: Parameters<LogIndex['mark']>[0]): void {
  index.mark(marks);
  index.refresh();
}
