/** What whoever shows logs (spec.md §2) needs of them; they are read where Linux is spoken: src/host/rotated-log. */
import { KukeError } from '../errors.ts';
import { asFileError } from '../file-errors.ts';

/** Takes what was read, and where it begins in all that was ever written; false: nobody wants more. The bytes are its own only until it resolves. */
export type Sink = (bytes: Uint8Array, offset: number) => Promise<boolean>;

export interface LogReader extends Disposable {
  /** Gives what has come since the last call; false once nobody wants more. */
  pull(sink: Sink): Promise<boolean>;
  /** When what stands there had been written, in milliseconds since 1970, as near as that is known: it is never earlier. */
  timeOf(offset: number): number | undefined;
}

/** What of it: all of these hold. */
export interface LogRange {
  isPrevious?: boolean | undefined;
  /** In milliseconds since 1970. */
  since?: number | undefined;
  lines?: number | undefined;
  /** From that byte on of all that was ever written. */
  offset?: number | undefined;
}

export interface Logs {
  /** One that is not there yet is empty. Undefined: there was no earlier run. */
  openLog(path: string, range: LogRange): LogReader | undefined;
  /** How much was ever written to it. */
  endOfLog(path: string): number;
}

/** Throws NotRoot for one that may not be read, NotFound for an earlier run that there was not. */
export function readerOf({ openLog }: Logs, path: string, range: LogRange): LogReader {
  const log = tried(() => openLog(path, range));
  if (log !== undefined) return log;
  const remedy = 'leave out --previous: the log of its only run is what there is';
  throw new KukeError('NotFound', 'it has no earlier run that is known of', { remedy });
}

export function tried<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw asFileError(thrown);
  }
}
