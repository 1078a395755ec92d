/** Lines of several logs in one stream, each with the name of who wrote it. */
import type { Sink } from './log-file.ts';

const NEWLINE = 10;
/** What is longer is cut into lines of this size, so that one without an end does not fill the memory. */
const LONGEST = 64 * 1024;

export interface PrefixedSink {
  take: Sink;
  /** The last line, where it has no end. */
  end(): Promise<boolean>;
}

export function prefixedSink(prefix: string, write: Sink): PrefixedSink {
  const head = new TextEncoder().encode(prefix);
  let rest: Uint8Array = new Uint8Array(0);
  const lineOf = (bytes: Uint8Array) => Buffer.concat([head, bytes, Uint8Array.of(NEWLINE)]);
  return {
    async take(bytes) {
      const all = Buffer.concat([rest, bytes]);
      const lines: Uint8Array[] = [];
      let from = 0;
      for (let at = all.indexOf(NEWLINE); at !== -1; at = all.indexOf(NEWLINE, from)) {
        lines.push(lineOf(all.subarray(from, at)));
        from = at + 1;
      }
      for (; all.length - from > LONGEST; from += LONGEST) lines.push(lineOf(all.subarray(from, from + LONGEST)));
      rest = all.subarray(from);
      return lines.length === 0 || write(Buffer.concat(lines));
    },
    async end() {
      const last = rest;
      rest = new Uint8Array(0);
      return last.length === 0 || write(lineOf(last));
    },
  };
}
