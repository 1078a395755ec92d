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
import * as v from 'valibot';
import { asFileError } from './file-errors.ts';
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
      const path = join(folder, `${id}.jsonl`);
      return reported(path, () => {
        // The run path may be read by everybody, save for our own folder in it.
        mkdirSync(join(folder, '../..'), { recursive: true, mode: 0o755 });
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const fd = openSync(path, 'wx', 0o600);
        try {
          append(fd, { event: 'plan', version: 1, id, intent: plan.intent, command, steps: plan.steps });
          syncFolder(folder);
        } catch (error) {
          closeSync(fd);
          remove(path);
          throw error;
        }
        return writer(path, fd);
      });
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
  const write = (entry: Entry) => reported(path, () => append(fd, entry));
  return {
    start: step => write({ event: 'start', step }),
    done: (step, result) => write({ event: 'done', step, result }),
    reverted: step => ifPossible(() => write({ event: 'reverted', step })), // undone twice is undone as well
    close() {
      // After a power cut the file may be there again: it must not have what has ended well undone.
      ifPossible(() => write({ event: 'ended' }));
      closeSync(fd);
      remove(path);
    },
  };
}

function remove(path: string): void {
  rmSync(path, { force: true }); // an uninstall has taken it along
  removeEmpty(dirname(path), 3);
}

/** On a full disk, say. */
function ifPossible(write: () => void): void {
  try {
    write();
  } catch {}
}

function reported<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw asFileError(error).at({ step: `write the journal ${path}` });
  }
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

/** A line that is cut off was being written when its kuke died: what it said did not begin. One that is damaged says nothing either. */
function parseLines(text: string): Entry[] {
  return text.split('\n').flatMap(line => {
    try {
      return [v.parse(entrySchema, JSON.parse(line)) as Entry];
    } catch {
      return [];
    }
  });
}

const stepSchema = v.object({
  id: v.string(),
  type: v.string(),
  params: v.unknown(),
  after: v.array(v.string()),
  resource: v.string(),
});

const entrySchema = v.variant('event', [
  v.object({
    event: v.literal('plan'),
    version: v.literal(1),
    id: v.string(),
    intent: v.picklist(['create', 'update', 'delete']),
    command: v.string(),
    steps: v.array(stepSchema),
  }),
  v.object({ event: v.literal('start'), step: v.string() }),
  v.object({ event: v.literal('done'), step: v.string(), result: v.exactOptional(v.unknown()) }),
  v.object({ event: v.literal('reverted'), step: v.string() }),
  v.object({ event: v.literal('ended') }),
]);
