/** The files that events are read from, and read on as they grow. */
import { auditFiles, auditLine } from '../audit.ts';
import { type Event, eventFiles, eventLine } from '../events.ts';
import { inLines, openPieces, type Pieces } from '../line-log.ts';
import { openGrowing } from './growing-file.ts';
import { eventsOf } from './of-audit.ts';

export interface PullOptions {
  isMeant?(event: Event): boolean;
  /** Only the last so many. */
  last?: number;
  /** Nobody wants them any more. */
  signal?: AbortSignal;
}

export interface EventSources extends Disposable {
  /** Those that grow. */
  paths: string[];
  /** What has come since the last call, by time; at first all that is kept. Read a piece at a time: others have their turn in between. */
  pull(options?: PullOptions): Promise<Event[]>;
}

export function openSources(auditPath: string, runPath: string): EventSources {
  const sources = [
    openLines(auditFiles(auditPath), line => {
      const entry = auditLine(line);
      return entry === undefined ? [] : eventsOf(entry);
    }),
    openLines(eventFiles(runPath), line => eventLine(line) ?? []),
  ];
  return {
    paths: sources.map(({ path }) => path),
    async pull(options = {}) {
      const found: Event[] = [];
      for (const source of sources) found.push(...(await meant(source.pull(), options)));
      const timed = found.map(event => ({ event, at: Date.parse(event.at) })).sort((a, b) => a.at - b.at);
      const { last = timed.length } = options;
      return timed.slice(timed.length - Math.min(last, timed.length)).map(({ event }) => event);
    },
    [Symbol.dispose]() {
      for (const source of sources) source[Symbol.dispose]();
    },
  };
}

/** Of one source, whose events are in the order of their times. */
async function meant(pieces: AsyncIterable<Event[]>, options: PullOptions): Promise<Event[]> {
  const { isMeant = () => true, last = Number.POSITIVE_INFINITY, signal } = options;
  let kept: Event[] = [];
  for await (const events of pieces) {
    if (signal?.aborted) break;
    for (const one of events) if (isMeant(one)) kept.push(one);
    if (kept.length > 2 * last + 1000) kept = kept.slice(kept.length - last);
  }
  return kept;
}

/** `files`: the last is the one that grows. */
function openLines<T>(files: readonly string[], read: (line: string) => T | T[]) {
  const path = files.at(-1) ?? '';
  // Before the earlier ones: what is moved away in between is read twice rather than not at all.
  const file = openGrowing(path);
  const earlier = files.slice(0, -1).flatMap(one => openPieces(one) ?? []);
  async function* readOn(from: Pick<Pieces, 'pieces'>, lines: (piece: string) => string[]): AsyncGenerator<T[]> {
    for await (const piece of from.pieces()) yield lines(piece).flatMap(read);
  }
  const lines = inLines();
  return {
    path,
    async *pull(): AsyncGenerator<T[]> {
      for (let one = earlier.shift(); one !== undefined; one = earlier.shift()) {
        using whole = one;
        yield* readOn(whole, inLines());
      }
      yield* readOn(file, lines);
    },
    [Symbol.dispose]() {
      for (const one of [...earlier, file]) one[Symbol.dispose]();
    },
  };
}
