/**
 * What is known of a log besides its bytes, in a file beside it (`main.log.index`), a JSON object a line, appended. Sizes are of all that was ever
 * written to the log, wherever that is by now.
 */
import { closeSync, constants, fdatasyncSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { hasCode } from '../errno.ts';
import { writeWhole } from '../write-whole.ts';

/** At that time (milliseconds since 1970) so many bytes had been written; `isStart`: what came then is another run of the program. */
export interface Note {
  size: number;
  at: number;
  isStart: boolean;
}

/** Where the bytes are: what is before `gone` is no longer to be read in the log's own file, whose first byte is `base`. */
export interface Marks {
  base: number;
  gone: number;
  /** What is before `gone` is a hole in the file, or has just been taken out of it, so that its first byte is `gone`. */
  isCollapsing: boolean;
}

export interface LogIndex {
  readonly path: string;
  readonly marks: Readonly<Marks>;
  /** The oldest first. */
  readonly notes: readonly Note[];
  /** Takes in what others have written to it meanwhile. */
  refresh(): void;
  note(note: Note): void;
  /** On the disk when it returns. */
  mark(marks: Marks): void;
  /** Begins it anew with these; what somebody else writes to it just then stays, too. */
  replace(notes: readonly Note[]): void;
}

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants;
const MODE = 0o640;
const NEWLINE = 10;

/** One that is not there is empty, and made by the first that is written. */
export function openIndex(log: string): LogIndex {
  const path = `${log}.index`;
  let marks: Marks = { base: 0, gone: 0, isCollapsing: false };
  let notes: Note[] = [];
  let inode = 0;
  let parsed = 0;

  const take = (line: string): void => {
    const said = objectIn(line);
    const { size, at, start, base, gone, collapsing } = said;
    if (typeof base === 'number' && typeof gone === 'number') marks = { base, gone, isCollapsing: collapsing === true };
    else if (typeof size === 'number' && typeof at === 'string' && !Number.isNaN(Date.parse(at)))
      notes.push({ size, at: Date.parse(at), isStart: start === true });
  };
  const append = (line: string, isSynced: boolean): void => {
    for (;;) {
      const fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, MODE);
      try {
        writeWhole(fd, endsLine(fd) ? line : `\n${line}`);
        if (isSynced) fdatasyncSync(fd);
        // Begun anew just now by somebody who may not have seen this: twice does no harm.
        if (statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) return;
      } finally {
        closeSync(fd);
      }
    }
  };

  const index: LogIndex = {
    path,
    get marks() {
      return marks;
    },
    get notes() {
      return notes;
    },
    refresh() {
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat === undefined || (stat.ino === inode && stat.size === parsed)) return;
      if (stat.ino !== inode || stat.size < parsed) {
        [inode, parsed, notes] = [stat.ino, 0, []];
        marks = { base: 0, gone: 0, isCollapsing: false };
      }
      const text = textFrom(path, parsed);
      const whole = text.slice(0, text.lastIndexOf('\n') + 1);
      parsed += Buffer.byteLength(whole);
      for (const line of whole.split('\n')) if (line !== '') take(line);
    },
    note: note => append(lineOf(note), false),
    mark: next => append(marksLine(next), true),
    replace(kept) {
      const old = openSync(path, O_RDONLY | O_NOFOLLOW);
      try {
        index.refresh();
        const { size } = fstatSync(old);
        const temporary = `${path}.new`;
        const fd = openSync(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, MODE);
        try {
          writeWhole(fd, [marksLine(marks), ...kept.map(lineOf)].join(''));
          fdatasyncSync(fd);
        } finally {
          closeSync(fd);
        }
        renameSync(temporary, path);
        const late = Buffer.alloc(fstatSync(old).size - size);
        if (late.length > 0 && readSync(old, late, 0, late.length, size) > 0) append(late.toString(), false);
      } finally {
        closeSync(old);
      }
    },
  };
  index.refresh();
  return index;
}

const lineOf = ({ size, at, isStart }: Note): string =>
  `${JSON.stringify({ size, at: new Date(at).toISOString(), ...(isStart && { start: true }) })}\n`;

const marksLine = ({ base, gone, isCollapsing }: Marks): string =>
  `${JSON.stringify({ base, gone, ...(isCollapsing && { collapsing: true }) })}\n`;

/** Nothing is in a line that was cut off. */
function objectIn(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function endsLine(fd: number): boolean {
  const { size } = fstatSync(fd);
  const last = new Uint8Array(1);
  return size === 0 || readSync(fd, last, 0, 1, size - 1) === 0 || last[0] === NEWLINE;
}

function textFrom(path: string, offset: number): string {
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_NOFOLLOW);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return '';
    throw error;
  }
  try {
    const bytes = Buffer.alloc(Math.max(0, fstatSync(fd).size - offset));
    let length = 0;
    while (length < bytes.length) {
      const read = readSync(fd, bytes, length, bytes.length - length, offset + length);
      if (read === 0) break;
      length += read;
    }
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(fd);
  }
}
