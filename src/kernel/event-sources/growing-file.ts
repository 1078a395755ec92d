/** A file that grows by whole lines, read on as it does; it may be moved away and begun anew, while it is read. */
import { statSync } from 'node:fs';
import { openPieces, type Pieces } from '../line-log.ts';

export interface GrowingFile extends Disposable {
  /** What has come since the last call, at first all of it, a piece at a time: others have their turn in between. One call after the other. */
  pieces(): AsyncGenerator<string>;
}

/** One that is not there yet is empty. Throws NotRoot for one that may not be read. */
export function openGrowing(path: string): GrowingFile {
  let file = openPieces(path);
  return {
    async *pieces() {
      if (file !== undefined) yield* file.pieces();
      const next = another(path, file);
      if (next === undefined) return;
      // Nothing is written to the one that was moved away by now; before that, something may have been.
      if (file !== undefined) yield* file.pieces();
      file?.[Symbol.dispose]();
      file = next;
      yield* file.pieces();
    },
    [Symbol.dispose]() {
      file?.[Symbol.dispose]();
      file = undefined;
    },
  };
}

/** What stands at the path now, if it is another file, and something is in it: until then the one that was moved away is written to. */
function another(path: string, file: Pieces | undefined): Pieces | undefined {
  try {
    const there = statSync(path);
    return file === undefined || (there.ino !== file.ino && there.size > 0) ? openPieces(path) : undefined;
  } catch {
    return undefined; // nothing is there
  }
}
