/** The files by which other runtimes find the built-in plugins: whose a file in a folder of plugins is, and putting ours there. */
import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { temporaryName } from '../host/atomic-file.ts';
import { hasCode } from '../host/errno.ts';

/** In every kuke that can be a plugin, and so in its file: by this an older one is known, wherever it was copied. */
const MARK = 'kuke-is-a-cni-plugin-suite:6f1d3c5a';

/** `current`: the very program that runs; `outdated`: another kuke; `foreign`: somebody else's, or no program. */
export type Owner = 'absent' | 'current' | 'outdated' | 'foreign';

/** The program that runs. The kernel's link holds on to it, even if its file was replaced meanwhile. */
export const PROGRAM = '/proc/self/exe';

/** Tells files apart; what was read once is not read again. */
export function recognizer(program = PROGRAM): (path: string) => Owner {
  const self = statSync(program);
  const known = new Map([[identity(self), 'current' as Owner]]);
  return path => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return lstatSync(path, { throwIfNoEntry: false }) === undefined ? 'absent' : 'foreign';
    if (!stat.isFile()) return 'foreign';
    const owner = known.get(identity(stat)) ?? ownerOf(path, stat, program, self);
    known.set(identity(stat), owner);
    return owner;
  };
}

/** Whether a program is a kuke: in development it is Bun itself. */
export function isKuke(program = PROGRAM): boolean {
  return holds(program, MARK);
}

function ownerOf(path: string, { size }: Stats, program: string, self: Stats): Owner {
  if (size === self.size && hasSameContent(path, program)) return 'current';
  return holds(path, MARK) ? 'outdated' : 'foreign';
}

const identity = ({ dev, ino }: Stats): string => `${dev}:${ino}`;

const CHUNK = 1 << 20;

function holds(path: string, text: string): boolean {
  const overlap = text.length - 1;
  const buffer = Buffer.alloc(CHUNK + overlap);
  for (const length of chunks(path, buffer, overlap)) {
    if (buffer.subarray(0, overlap + length).includes(text)) return true;
    buffer.copyWithin(0, length, length + overlap);
  }
  return false;
}

function hasSameContent(one: string, other: string): boolean {
  const [a, b] = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)];
  const others = chunks(other, b);
  for (const length of chunks(one, a)) {
    if (others.next().value !== length || !a.subarray(0, length).equals(b.subarray(0, length))) return false;
  }
  return others.next().done === true;
}

/** Fills the buffer, from an offset in it, again and again, and gives the number of bytes. */
function* chunks(path: string, buffer: Buffer, at = 0): Generator<number, undefined> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    for (;;) {
      const length = readSync(fd, buffer, at, buffer.length - at, null);
      if (length === 0) return undefined;
      yield length;
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * Puts the program at `path`, at once whole: a hard link, or where that cannot be a copy, which then serves as `source` for the next.
 * Without `replaces` a file that came there meanwhile stays: EEXIST.
 */
export function putProgram(source: string, path: string, replaces: boolean): string {
  const temporary = join(dirname(path), temporaryName(basename(path)));
  try {
    const linked = tryLink(source, temporary);
    if (!linked) copy(source, temporary);
    if (replaces || !tryLink(temporary, path)) renameSync(temporary, path);
    return linked ? source : path;
  } finally {
    rmSync(temporary, { force: true }); // a rename of a name of the same file does nothing
  }
}

/** False where the file systems, or their limits, do not let it be. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (hasCode(error, 'EXDEV', 'EPERM', 'EMLINK', 'EOPNOTSUPP', 'ENOSYS')) return false;
    throw error;
  }
}

function copy(from: string, to: string): void {
  copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  const fd = openSync(to, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
