/**
 * The journal: a file a plan in `<run path>/.kuke/journal`, one JSON object a line, removed when the plan has ended.
 * What is left of a kuke that died says what has to be undone or finished (design.md, idea 5).
 */
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Intent, Plan, Step } from './plan.ts';

type Entry =
  | { event: 'plan'; version: 1; id: string; intent: Intent; command: string; steps: Step[] }
  | { event: 'start'; step: string }
  | { event: 'done'; step: string; result?: unknown }
  | { event: 'reverted'; step: string }
  | { event: 'ended' };

/** Durable when it returns: called before a step runs, and after. */
export interface PlanJournal {
  start(step: string): void;
  done(step: string, result: unknown): void;
  reverted(step: string): void;
  /** The plan has ended, well or undone. */
  close(): void;
}

/** What a kuke that died has left. */
export interface UnfinishedPlan {
  id: string;
  intent: Intent;
  command: string;
  steps: Step[];
  started: Set<string>;
  results: Map<string, unknown>;
  journal: PlanJournal;
}

export interface Journal {
  open(id: string, plan: Plan, command: string): PlanJournal;
  /** No plan runs, and none has been left unfinished. */
  isEmpty(): boolean;
  /** Under the lock only, oldest first. A file without a whole first line never ran a step and is removed. */
  unfinished(): UnfinishedPlan[];
}

export function makeJournal(folder: string): Journal {
  return {
    open(id, plan, command) {
      // The run path may be read by everybody, save for our own folder in it.
      mkdirSync(join(folder, '../..'), { recursive: true, mode: 0o755 });
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const path = join(folder, `${id}.jsonl`);
      const fd = openSync(path, 'wx', 0o600);
      const journal = writer(path, fd);
      append(fd, { event: 'plan', version: 1, id, intent: plan.intent, command, steps: plan.steps });
      syncFolder(folder);
      return journal;
    },
    isEmpty: () => filesIn(folder).length === 0,
    unfinished() {
      return filesIn(folder).flatMap(name => {
        const path = join(folder, name);
        const [head, ...events] = parseLines(readFileSync(path, 'utf8'));
        if (head?.event !== 'plan' || events.some(entry => entry.event === 'ended')) {
          unlinkSync(path);
          return [];
        }
        const reverted = new Set(events.flatMap(entry => (entry.event === 'reverted' ? [entry.step] : [])));
        const started = new Set(events.flatMap(entry => (entry.event === 'start' ? [entry.step] : [])));
        const results = new Map(
          events.flatMap(entry => (entry.event === 'done' ? [[entry.step, entry.result] as const] : [])),
        );
        const { id, intent, command, steps } = head;
        return [
          {
            id,
            intent,
            command,
            steps,
            started: started.difference(reverted),
            results,
            journal: continued(path),
          },
        ];
      });
    },
  };
}

function writer(path: string, fd: number): PlanJournal {
  return {
    start: step => append(fd, { event: 'start', step }),
    done: (step, result) => append(fd, { event: 'done', step, result }),
    reverted: step => append(fd, { event: 'reverted', step }),
    close() {
      // After a power cut the file may be there again: it must not have what has ended well undone.
      append(fd, { event: 'ended' });
      closeSync(fd);
      rmSync(path, { force: true }); // an uninstall has taken it along
      removeEmpty(dirname(path), 3);
    },
  };
}

/** Starts on a line of its own, for the last one may be cut off. */
function continued(path: string): PlanJournal {
  const fd = openSync(path, 'a');
  writeSync(fd, '\n');
  return writer(path, fd);
}

/** The folder, `.kuke` and the run path, where nothing else is in them: after an init that failed, say. */
function removeEmpty(folder: string, levels: number): void {
  try {
    rmdirSync(folder);
    if (levels > 1) removeEmpty(dirname(folder), levels - 1);
  } catch {} // not empty, or gone
}

function append(fd: number, entry: Entry): void {
  writeSync(fd, `${JSON.stringify(entry)}\n`);
  fdatasyncSync(fd);
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter(name => name.endsWith('.jsonl'))
      .sort();
  } catch {
    return [];
  }
}

/** A line that is cut off was being written when its kuke died: what it said did not begin. */
function parseLines(text: string): Entry[] {
  const entries: Entry[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    try {
      entries.push(JSON.parse(line) as Entry);
    } catch {}
  }
  return entries;
}
