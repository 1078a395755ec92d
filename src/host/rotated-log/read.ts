/** Reading a log whose beginning is in other files by now, while it is written, rotated, cut short, or moved away and begun anew. */
import { openContents } from './contents.ts';
import { openIndex } from './log-index.ts';

const PIECE = 64 * 1024;
const NEWLINE = 10;

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
  /** Of the program's run before its last one. */
  isPrevious?: boolean | undefined;
  /** What was written since, in milliseconds since 1970; as near as that is known: whole lines, and none is left out. */
  since?: number | undefined;
  /** The last so many lines. */
  lines?: number | undefined;
  /** From that byte on of all that was ever written. */
  offset?: number | undefined;
}

/** One that is not there yet is empty. Undefined: there was no earlier run. Throws as node:fs does for one that may not be read. */
export function openLog(
  path: string,
  { isPrevious = false, since, lines, offset = 0 }: LogRange,
): LogReader | undefined {
  const index = openIndex(path);
  const contents = openContents(path, index);
  const buffer = new Uint8Array(PIECE);
  let at = Math.max(contents.start(), offset);
  let end = Number.POSITIVE_INFINITY;
  /** Nothing was written since; what will be may go on with a line. */
  let isIdle = false;
  if (isPrevious) {
    const [run, next] = index.notes.filter(({ isStart }) => isStart).slice(-2);
    if (run === undefined || next === undefined) {
      contents[Symbol.dispose]();
      return undefined;
    }
    [at, end] = [Math.max(at, run.size), next.size];
  }
  if (since !== undefined) at = Math.max(at, offsetSince(since));
  if (lines !== undefined && lines !== Number.POSITIVE_INFINITY) at = Math.max(at, lastLines(lines));

  function offsetSince(time: number): number {
    const later = index.notes.findIndex(note => note.at >= time);
    if (later !== -1) return lineAround(index.notes[later - 1]?.size ?? 0);
    const isNewer = (contents.changedAt() ?? Number.NEGATIVE_INFINITY) >= time;
    if (isNewer) return lineAround(index.notes.at(-1)?.size ?? 0);
    isIdle = true;
    return contents.end();
  }
  /** Where the line begins that goes on there; of one whose beginning is gone, where the next one does. */
  function lineAround(from: number): number {
    const begin = from <= at ? at : linesBefore(Math.min(from, contents.end()), at, 0);
    return begin > 0 && begin === contents.start() ? lineAfter(begin) : begin;
  }
  /** All that is left may be of one line. */
  function lineAfter(from: number): number {
    for (let place = from; ; ) {
      const length = fill(place, buffer);
      if (length === 0) return from;
      const newline = buffer.subarray(0, length).indexOf(NEWLINE);
      if (newline !== -1) return place + newline + 1;
      place += length;
    }
  }
  /** One without a line's end counts as one. */
  function lastLines(count: number): number {
    const last = Math.min(end, contents.end());
    if (count === 0) return last;
    const ending = new Uint8Array(1);
    const isWhole = last > at && fill(last - 1, ending) === 1 && ending[0] === NEWLINE;
    return linesBefore(last, at, isWhole ? count : count - 1);
  }
  /** Across files; what is in none is left as it was. */
  function fill(from: number, into: Uint8Array): number {
    let filled = 0;
    while (filled < into.length) {
      const { offset: place, length } = contents.read(from + filled, into.subarray(filled));
      if (length === 0) break;
      if (place !== from + filled) into.copyWithin(place - from, filled, filled + length);
      filled = place - from + length;
    }
    return Math.min(filled, into.length);
  }
  /** Behind the line's end before which there are so many others. */
  function linesBefore(from: number, least: number, count: number): number {
    let found = 0;
    for (let to = from; to > least; ) {
      const start = Math.max(least, to - PIECE);
      const length = fill(start, buffer.subarray(0, to - start));
      for (let place = length - 1; place >= 0; place--)
        if (buffer[place] === NEWLINE && found++ === count) return start + place + 1;
      to = start;
    }
    return least;
  }

  return {
    async pull(sink) {
      while (at < end) {
        const { offset: from, length } = contents.read(at, buffer.subarray(0, Math.min(PIECE, end - at)));
        if (length === 0) break;
        if (isIdle) {
          isIdle = false;
          at = linesBefore(at, Math.min(at, contents.start()), 0);
          continue;
        }
        at = from + length;
        if (!(await sink(buffer.subarray(0, length), from))) return false;
      }
      return true;
    },
    timeOf(place) {
      const { notes } = index;
      let [low, high] = [0, notes.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((notes[middle]?.size ?? 0) > place) high = middle;
        else low = middle + 1;
      }
      return notes[low]?.at ?? contents.changedAt();
    },
    [Symbol.dispose]: () => contents[Symbol.dispose](),
  };
}

/** How much was ever written to it. */
export function endOfLog(path: string): number {
  using contents = openContents(path, openIndex(path));
  return contents.end();
}
