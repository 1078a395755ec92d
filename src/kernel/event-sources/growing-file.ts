/** A file that grows by whole lines, read on as it does; it may be moved away and begun anew, while it is read. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { asFileError } from '../file-errors.ts';

const PIECE = 64 * 1024;

export interface GrowingFile extends Disposable {
  /** What has come since the last call, at first all of it. */
  pull(): string;
}

/** One that is not there yet is empty. Throws NotRoot for one that may not be read. */
export function openGrowing(path: string): GrowingFile {
  const buffer = new Uint8Array(PIECE);
  let decoder = new TextDecoder();
  let fd = open(path);
  let offset = 0;

  const rest = (): string => {
    if (fd === undefined) return '';
    let text = '';
    for (let length = 1; length > 0; offset += length) {
      length = readSync(fd, buffer, 0, PIECE, offset);
      text += decoder.decode(buffer.subarray(0, length), { stream: true });
    }
    return text;
  };
  return {
    pull() {
      const text = rest();
      const next = another(path, fd);
      if (next === undefined) return text;
      if (fd !== undefined) closeSync(fd);
      [fd, offset, decoder] = [next, 0, new TextDecoder()];
      return text + rest();
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
