/** Lines of one or several logs in one stream, each with something before it: who wrote it, when. */
import type { Sink } from './log-reader.ts';

const NEWLINE = 10;
/** What is longer is cut into lines of this size, so that one without an end does not fill the memory. */
const LONGEST = 64 * 1024;

export interface PrefixedSink {
  take: Sink;
  /** The last line, where it has no end. */
  end(): Promise<boolean>;
}

/** `prefix`: of the line that begins at that byte of the log. */
export function prefixedSink(prefix: (offset: number) => string, write: Sink): PrefixedSink {
  const encoder = new TextEncoder();
  let rest: Uint8Array = new Uint8Array(0);
  let restAt = 0;
  const lineOf = (bytes: Uint8Array, offset: number) =>
    Buffer.concat([encoder.encode(prefix(offset)), bytes, Uint8Array.of(NEWLINE)]);
  return {
    async take(bytes, offset) {
      const all = Buffer.concat([rest, bytes]);
      const begin = offset - rest.length;
      const lines: Uint8Array[] = [];
      let from = 0;
      for (let at = all.indexOf(NEWLINE); at !== -1; at = all.indexOf(NEWLINE, from)) {
        lines.push(lineOf(all.subarray(from, at), begin + from));
        from = at + 1;
      }
      for (; all.length - from > LONGEST; from += LONGEST)
        lines.push(lineOf(all.subarray(from, from + LONGEST), begin + from));
      [rest, restAt] = [all.subarray(from), begin + from];
      return lines.length === 0 || write(Buffer.concat(lines), begin);
    },
    async end() {
      const last = rest;
      rest = new Uint8Array(0);
      return last.length === 0 || write(lineOf(last, restAt), restAt);
    },
  };
}

/** `2026-11-22T01:20:00.123Z `; nothing where no time is known. */
export function timePrefix(time: number | undefined): string {
  return time === undefined ? '' : `${new Date(time).toISOString()} `;
}
