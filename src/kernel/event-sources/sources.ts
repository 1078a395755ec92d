/** The files that events are read from, and read on as they grow. */
import { auditFiles, auditLine } from '../audit.ts';
import { type Event, eventFiles, eventLine } from '../events.ts';
import { linesIn } from '../line-log.ts';
import { openGrowing } from './growing-file.ts';
import { eventsOf } from './of-audit.ts';

export interface EventSources extends Disposable {
  /** Those that grow. */
  paths: string[];
  /** What has come since the last call, by time; at first all that is kept. */
  pull(): Event[];
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
    pull() {
      return sources.flatMap(source => source.pull()).sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
    },
    [Symbol.dispose]() {
      for (const source of sources) source[Symbol.dispose]();
    },
  };
}

/** `files`: the last is the one that grows. */
function openLines<T>(files: readonly string[], read: (line: string) => T | T[]) {
  const path = files.at(-1) ?? '';
  // Before the earlier ones are read: what is moved away in between is read twice rather than not at all.
  const file = openGrowing(path);
  let earlier = files.slice(0, -1).flatMap(linesIn);
  let rest = '';
  return {
    path,
    pull(): T[] {
      const lines = [...earlier, ...`${rest}${file.pull()}`.split('\n')];
      earlier = [];
      rest = lines.pop() ?? '';
      return lines.flatMap(read);
    },
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}
