/** A file of a JSON object a line that only grows, up to a size: then it is called `NAME.1`, the one before that `NAME.2`, and so on. */
import { closeSync, existsSync, fstatSync, openSync, readSync, renameSync, statSync, writeSync } from 'node:fs';
import { asFileError } from './file-errors.ts';
import { othersTurn } from './others-turn.ts';

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

const PIECE = 64 * 1024;

/** A file that is open to be read, whatever becomes of its name. */
export interface Pieces extends Disposable {
  ino: number;
  /** What has come since the last call, at first all of it: others have their turn between two pieces. One call after the other. */
  pieces(): AsyncGenerator<string>;
}

/** Undefined: it is not there. Throws file errors. */
export function openPieces(path: string): Pieces | undefined {
  const fd = opened(path);
  if (fd === undefined) return undefined;
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(PIECE);
  let offset = 0;
  return {
    ino: fstatSync(fd).ino,
    async *pieces() {
      for (;;) {
        await othersTurn();
        const length = readSync(fd, buffer, 0, PIECE, offset);
        if (length === 0) return;
        offset += length;
        yield decoder.decode(buffer.subarray(0, length), { stream: true });
      }
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

function opened(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
    throw asFileError(thrown);
  }
}

/** Given one piece after the other, the lines that are whole by then. */
export function inLines(): (piece: string) => string[] {
  let rest = '';
  return piece => {
    const end = piece.lastIndexOf('\n');
    const lines = end < 0 ? [] : `${rest}${piece.slice(0, end)}`.split('\n');
    rest = end < 0 ? rest + piece : piece.slice(end + 1);
    return lines;
  };
}

/** The lines of several, as they are now, the oldest first. Throws file errors. */
export async function* linesIn(paths: readonly string[]): AsyncGenerator<string> {
  // The last one first: what is moved away in between is read twice rather than not at all.
  const files = paths.toReversed().flatMap(path => openPieces(path) ?? []);
  try {
    for (const file of files.toReversed()) {
      const lines = inLines();
      for await (const piece of file.pieces()) yield* lines(piece);
      yield* lines('\n');
    }
  } finally {
    for (const file of files) file[Symbol.dispose]();
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
