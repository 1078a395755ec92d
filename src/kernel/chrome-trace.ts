/**
 * Spans as Chrome's trace events (complete events of the JSON Array Format), which ui.perfetto.dev and chrome://tracing show:
 *
 *     [{"ph":"X","pid":7,"tid":101,"cat":"operation","name":"network.attach","ts":1763738000123456,"dur":3391,"args":{"about":"cell ..."}}
 *     ,{...}
 *
 * The format lets the last `]` be absent, so that several processes can write into one file, and one that is killed leaves a whole one.
 */
import type { TraceCategory, TraceListener } from './trace.ts';

/** What goes on at once stands in rows below one another; each category has rows of its own. */
const ROWS: Record<TraceCategory, number> = { command: 0, operation: 100, backend: 200, call: 300, journal: 400 };

export interface ChromeTrace {
  listener: TraceListener;
  /** From the start of the process to now. */
  started(name: string): void;
  /** All of it, as text to append to a file, which may be empty; what has not ended is marked `unfinished`. */
  end(isEmpty: boolean): string;
}

/** `now` in milliseconds since the process began, and when that was. */
export function chromeTrace(
  pid: number,
  now: () => number = () => performance.now(),
  origin: number = performance.timeOrigin,
): ChromeTrace {
  const lines: string[] = [];
  /** What goes on in each row. */
  const rows = new Map<number, (isOver: boolean) => void>();
  const microseconds = (ms: number): number => Math.round(ms * 1000);
  const tell = (fields: Record<string, unknown>) => void lines.push(JSON.stringify({ pid, ...fields }));
  const tellSpan = (cat: TraceCategory, tid: number, name: string, since: number, args: Record<string, unknown> = {}) =>
    tell({ ph: 'X', tid, cat, name, ts: microseconds(origin + since), dur: microseconds(now() - since), args });
  for (const [name, tid] of Object.entries(ROWS)) tell({ ph: 'M', tid, name: 'thread_name', args: { name } });
  return {
    listener(category, name, about) {
      let tid = ROWS[category];
      while (rows.has(tid)) tid++;
      const since = now();
      rows.set(tid, isOver =>
        tellSpan(category, tid, name, since, { ...(about && { about }), ...(!isOver && { unfinished: true }) }),
      );
      return () => {
        rows.get(tid)?.(true);
        rows.delete(tid);
      };
    },
    started: name => tellSpan('command', ROWS.command, name, 0),
    end(isEmpty) {
      for (const tellUnfinished of rows.values()) tellUnfinished(false);
      return lines.map((line, index) => `${isEmpty && index === 0 ? '[' : ','}${line}\n`).join('');
    },
  };
}
