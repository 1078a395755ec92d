/**
 * What has been done on this host, a line an ended plan, in `<run path>/.kuke/history.jsonl`: for people, who ask what happened to a resource
 * (`kuke describe`). Nothing is decided by it; one that cannot be written or read is done without.
 */
import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import * as v from 'valibot';
import { asFileError } from './file-errors.ts';
import type { Journal, PlanJournal } from './journal.ts';

const entry = v.object({
  /** When it ended; RFC 3339, UTC. */
  at: v.string(),
  /** As the user typed it. */
  command: v.string(),
  /** `cell main/default/blog/web` */
  resources: v.array(v.string()),
  /** `failed`: what was done of it stays. `taken over`: it was cut off, and a later plan has done what it was for. */
  result: v.picklist(['done', 'undone', 'failed', 'finished after a crash', 'undone after a crash', 'taken over']),
  /** How many of its steps were done, and of how many. */
  done: v.number(),
  steps: v.number(),
  /** From the plan's first step to its end, in milliseconds; absent after a crash. */
  ms: v.exactOptional(v.number()),
});

export type HistoryEntry = v.InferOutput<typeof entry>;

/** Larger ones lose their older half. */
const MAX_BYTES = 512 * 1024;

/** The journal, whose ended plans are kept in `file`; `instance` is what an installation has while it is one. */
export function recordedJournal(journal: Journal, file: string, instance: string): Journal {
  const keep = (made: HistoryEntry) => {
    try {
      // An init that came to nothing, and an uninstall, leave nothing.
      if (!existsSync(instance)) rmSync(file, { force: true });
      else appendEntry(file, made);
    } catch {}
  };
  return {
    ...journal,
    open(id, plan, command) {
      const started = performance.now();
      const ended: Ended = ({ done, isUndone }) => {
        const { length } = plan.steps;
        const result = isUndone ? 'undone' : done === length ? 'done' : 'failed';
        keep({
          ...about(plan.steps, command),
          result,
          done,
          steps: length,
          ms: Math.round(performance.now() - started),
        });
      };
      return recorded(journal.open(id, plan, command), new Set(), ended);
    },
    unfinished() {
      const { plans, unreadable } = journal.unfinished();
      const taken = plans.map(plan => {
        const ended: Ended = ({ done, isDropped }) => {
          const { length } = plan.steps;
          const whole = done === length ? 'finished after a crash' : 'failed';
          const result = isDropped ? 'taken over' : plan.intent === 'create' ? 'undone after a crash' : whole;
          keep({ ...about(plan.steps, plan.command), result, done, steps: length });
        };
        return { ...plan, journal: recorded(plan.journal, new Set(plan.results.keys()), ended) };
      });
      return { plans: taken, unreadable };
    },
  };
}

const about = (steps: readonly { resource: string }[], command: string) => ({
  at: new Date().toISOString(),
  command,
  resources: [...new Set(steps.map(({ resource }) => resource))],
});

type Ended = (plan: { done: number; isUndone: boolean; isDropped: boolean }) => void;

function recorded(journal: PlanJournal, done: Set<string>, ended: Ended): PlanJournal {
  let [isUndone, isDropped] = [false, false];
  return {
    ...journal,
    done(step, result) {
      journal.done(step, result);
      done.add(step);
    },
    reverted(step) {
      isUndone = true;
      journal.reverted(step);
    },
    dropped(step) {
      isDropped = true;
      journal.dropped(step);
    },
    close() {
      // Before the journal's folder goes, for that takes an empty installation's along.
      ended({ done: done.size, isUndone, isDropped });
      journal.close();
    },
  };
}

function appendEntry(file: string, made: HistoryEntry): void {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > MAX_BYTES) {
    const lines = readFileSync(file, 'utf8').split('\n');
    writeFileSync(`${file}.new`, lines.slice(lines.length >> 1).join('\n'), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }
  appendFileSync(file, `${JSON.stringify(made)}\n`, { mode: 0o600 });
}

/** Oldest first. Throws where it cannot be read; none where there is no file. */
export function readHistory(file: string): HistoryEntry[] {
  return textOf(file)
    .split('\n')
    .flatMap(line => {
      const parsed = v.safeParse(entry, jsonOf(line));
      return parsed.success ? [parsed.output] : []; // the last one may be cut off
    });
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return '';
    throw asFileError(thrown);
  }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
