/**
 * The journal: a file a plan in `<run path>/.kuke/journal`, one JSON object a line, removed when the plan has ended.
 * What is left of a kuke that died says what has to be undone or finished (design.md, idea 5).
 */
import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fsync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { asFileError } from './file-errors.ts';
import { type Entry, parseJournal, VERSION } from './journal-entries.ts';
import { appendLine } from './line-log.ts';
import type { OnFailure, Step } from './plan.ts';
import { traced } from './trace.ts';

/** Durable when it returns, or is resolved: called before a step runs, and after. */
export interface PlanJournal {
  /** `found`: what the step's operation has to leave alone when it is undone. */
  start(step: string, found: unknown): Durable;
  done(step: string, result: unknown): Durable;
  /** All that began is undone from now on, also by whoever comes after a crash. */
  undoing(): void;
  reverted(step: string): void;
  /** A later plan has seen to what the step was for: it is neither to be run nor to be undone. */
  dropped(step: string): void;
  /** The plan has ended, well or undone. */
  close(): Durable;
  /** It has not, and this kuke is done with it: it stays as it is for the next one. */
  leave(): void;
}

export type Durable = void | Promise<void>;

/** What a kuke that died has left. */
export interface UnfinishedPlan {
  id: string;
  /** Of its file. */
  path: string;
  /** `undo` also where it was being undone. */
  onFailure: OnFailure;
  command: string;
  steps: Step[];
  /** With what each found before it. */
  started: Map<string, unknown>;
  results: Map<string, unknown>;
  journal: PlanJournal;
}

/** A file that says that steps were run, but not which. */
export interface UnreadablePlan {
  path: string;
  why: string;
}

export interface LeftPlan {
  path: string;
  command: string;
  /** What its steps are about: `cell main/default/blog/web`. */
  resources: string[];
}

export interface Journal {
  /** What the id of a plan begins with that is to be opened: behind those of all that are there, whatever has become of the clock. */
  nextTime(): string;
  /** `isAside`: the disk is waited for while the process does other work; what is opened is durable with the first step then. */
  open(
    id: string,
    plan: { onFailure: OnFailure; steps: Step[] },
    command: string,
    options?: { isAside: boolean },
  ): PlanJournal;
  /** No plan runs, and none has been left unfinished. */
  isEmpty(): boolean;
  /**
   * Under the lock only, oldest first. A file without a whole first line never ran a step and is removed. One that is of no use
   * otherwise is put aside under another name, and told of again each time until somebody removes it.
   */
  unfinished(): { plans: UnfinishedPlan[]; unreadable: UnreadablePlan[] };
  /** Paths of what else lies in the folder, and is left alone. */
  foreign(): string[];
  /** All of it, as it is; those that have been `left` may also be of a kuke that is at work. Changes nothing. */
  look(): { left: LeftPlan[]; unreadable: UnreadablePlan[]; foreign: string[] };
}

const { O_APPEND, O_RDWR } = constants;
const PLAN = '.jsonl';
const UNREADABLE = '.unreadable';

export function makeJournal(folder: string): Journal {
  const foreign = () => {
    const ours = new Set([...filesIn(folder, PLAN), ...filesIn(folder, UNREADABLE)]);
    return filesIn(folder, '').filter(path => !ours.has(path));
  };
  return {
    foreign,
    nextTime() {
      const times = filesIn(folder, PLAN).map(path => Number.parseInt(basename(path), 36));
      const behind = times.filter(Number.isSafeInteger).map(time => time + 1);
      return Math.max(Date.now(), ...behind)
        .toString(36)
        .padStart(9, '0');
    },
    open(id, plan, command, { isAside } = { isAside: false }) {
      const path = join(folder, `${id}${PLAN}`);
      return reported(path, () => {
        // The run path may be read by everybody, save for our own folder in it.
        makeFolder(join(folder, '../..'), 0o755);
        makeFolder(folder, 0o700);
        const fd = openSync(path, 'ax+', 0o600);
        try {
          appendLine(fd, {
            event: 'plan',
            version: VERSION,
            id,
            onFailure: plan.onFailure,
            command,
            steps: plan.steps,
          });
          if (isAside) return writerAside(path, fd);
          sync(fd, 'plan');
          syncFolder(folder);
        } catch (error) {
          closeSync(fd);
          remove(path);
          throw error;
        }
        return writer(
          path,
          entry => append(fd, entry),
          () => closeSync(fd),
        );
      });
    },
    isEmpty: () => filesIn(folder, PLAN).length === 0,
    unfinished() {
      const plans = filesIn(folder, PLAN).flatMap(path => taken(path) ?? []);
      const unreadable = filesIn(folder, UNREADABLE).map(path => ({ path, why: whyUnreadable(path) }));
      return { plans, unreadable };
    },
    look() {
      // One that ends just now takes its file away.
      const texts = filesIn(folder, PLAN).map(path => ({ path, text: textOf(path) }));
      const plans = texts.flatMap(({ path, text }) =>
        text === undefined ? [] : [{ path, parsed: parseJournal(text) }],
      );
      const left = plans.flatMap(({ path, parsed }) =>
        parsed === 'over' || 'why' in parsed
          ? []
          : [{ path, command: parsed.command, resources: [...new Set(parsed.steps.map(({ resource }) => resource))] }],
      );
      const damaged = plans.flatMap(({ path, parsed }) =>
        parsed !== 'over' && 'why' in parsed ? [{ path, why: parsed.why }] : [],
      );
      const aside = filesIn(folder, UNREADABLE).map(path => ({ path, why: whyUnreadable(path) }));
      return { left, unreadable: [...damaged, ...aside], foreign: foreign() };
    },
  };
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Undefined: it has ended, or never ran a step, and is gone; or it has been put aside. */
function taken(path: string): UnfinishedPlan | undefined {
  const parsed = parseJournal(readFileSync(path, 'utf8'));
  if (parsed === 'over') remove(path);
  else if ('why' in parsed) renameSync(path, `${path.slice(0, -PLAN.length)}${UNREADABLE}`);
  else return { ...parsed, path, journal: continued(path) };
  return undefined;
}

function whyUnreadable(path: string): string {
  const parsed = parseJournal(readFileSync(path, 'utf8'));
  return parsed !== 'over' && 'why' in parsed ? parsed.why : 'it was put aside by an earlier kuke';
}

function writer(path: string, append: (entry: Entry) => void, leave: () => void): PlanJournal {
  const write = (entry: Entry) => reported(path, () => append(entry));
  return {
    start: (step, found) => write({ event: 'start', step, found }),
    done: (step, result) => write({ event: 'done', step, result }),
    undoing: () => ifPossible(() => write({ event: 'undoing' })), // on a full disk, too, what was made is taken back
    reverted: step => ifPossible(() => write({ event: 'reverted', step })), // undone twice is undone as well
    dropped: step => ifPossible(() => write({ event: 'dropped', step })), // what comes of it is done, and must not fail for this
    close() {
      // After a power cut the file may be there again: it must not have what has ended well undone.
      ifPossible(() => write({ event: 'ended' }));
      leave();
      remove(path);
    },
    leave,
  };
}

/** The same, but for what comes with each step: of that the disk is waited for in a thread. */
function writerAside(path: string, fd: number): PlanJournal {
  const inPlace = writer(
    path,
    entry => append(fd, entry),
    () => closeSync(fd),
  );
  let folder: Promise<void> | undefined;
  const durable = async (entry: Entry): Promise<void> => {
    try {
      appendLine(fd, entry);
      folder ??= syncFolderAside(dirname(path));
      await Promise.all([syncAside(fd, entry.event), folder]);
    } catch (error) {
      throw unwritten(path, error);
    }
  };
  return {
    ...inPlace,
    start: (step, found) => durable({ event: 'start', step, found }),
    done: (step, result) => durable({ event: 'done', step, result }),
    async close() {
      await durable({ event: 'ended' }).catch(() => {});
      inPlace.leave();
      remove(path);
    },
  };
}

function remove(path: string): void {
  rmSync(path, { force: true }); // an uninstall has taken it along
  // The folder stays for the next plan, unless there is no installation (any more): after an init that failed, say.
  const folder = dirname(path);
  if (!existsSync(join(folder, '../instance'))) removeEmpty(folder, basename(dirname(folder)) === '.kuke' ? 3 : 1);
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
    throw unwritten(path, error);
  }
}

const unwritten = (path: string, error: unknown) => asFileError(error).at({ step: `write the journal ${path}` });

/** Open only while it is written to: what cannot be finished is taken up by each command anew, and a daemon runs many. */
function continued(path: string): PlanJournal {
  const appendTo = (entry: Entry): void => {
    const fd = openSync(path, O_RDWR | O_APPEND);
    try {
      append(fd, entry);
    } finally {
      closeSync(fd);
    }
  };
  return writer(path, appendTo, () => {});
}

/** With those around it, durably: a file that is synced is lost all the same with a folder that is not. */
function makeFolder(folder: string, mode: number): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder), mode);
  mkdirSync(folder, { recursive: true, mode });
  syncFolder(dirname(folder));
}

/** The folder, `.kuke` and the run path, where nothing else is in them. */
function removeEmpty(folder: string, levels: number): void {
  try {
    rmdirSync(folder);
    if (levels > 1) removeEmpty(dirname(folder), levels - 1);
  } catch {} // not empty, or gone
}

/** All of it, or it throws: on a full disk write(2) may take a part of a line and say no more than that. */
function append(fd: number, entry: Entry): void {
  appendLine(fd, entry);
  sync(fd, entry.event);
}

const sync = (fd: number, what: string): void => traced('journal', 'sync', () => fdatasyncSync(fd), what);

const fdatasyncAside = promisify(fdatasync);
const fsyncAside = promisify(fsync);

const syncAside = (fd: number, what: string): Promise<void> =>
  traced('journal', 'sync', () => fdatasyncAside(fd), what);

async function syncFolderAside(folder: string): Promise<void> {
  const fd = openSync(folder, 'r');
  try {
    await fsyncAside(fd);
  } finally {
    closeSync(fd);
  }
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function filesIn(folder: string, ending: string): string[] {
  return entriesOf(folder)
    .filter(name => name.endsWith(ending))
    .sort()
    .map(name => join(folder, name))
    .filter(path => ending === '' || statSync(path, { throwIfNoEntry: false })?.isFile());
}

/** Nothing where there is no folder, or where only root may look: whatever else fails must not be taken for nothing. */
function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(code)) return [];
    throw asFileError(thrown).at({ step: `read the journal ${folder}` });
  }
}
