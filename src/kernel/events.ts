/**
 * What happened to resources without anybody asking: a container that died, was started again, became unhealthy. kukeond writes it, a JSON object
 * a line, into `<run path>/.kuke/events.jsonl`, and what commands did stands in the audit log: `kuke events` reads both.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { appendLine, lineFiles, lineValue, rotateLines } from './line-log.ts';

const event = v.object({
  /** RFC 3339, UTC. */
  at: v.string(),
  /** `cell main/default/blog/web` */
  resource: v.string(),
  /** `died`, `killed`, `restarted`, `unhealthy`, ...; of a command what became of the resource: `created`, `stopped`, ... */
  what: v.string(),
  /** The containers that it is about. */
  containers: v.exactOptional(v.array(v.string())),
  exitCode: v.exactOptional(v.number()),
  /** Why, or what else there is to say of it. */
  message: v.exactOptional(v.string()),
  /** Of a command: who gave it, and how. */
  by: v.exactOptional(v.string()),
  command: v.exactOptional(v.string()),
});

export type Event = v.InferOutput<typeof event>;

/** Twice that is kept. */
const MAX_BYTES = 4 * 1024 * 1024;
const KEPT = 1;

const pathIn = (runPath: string): string => join(runPath, '.kuke/events.jsonl');

/** Oldest first; the last is the one that grows. */
export const eventFiles = (runPath: string): string[] => lineFiles(pathIn(runPath), KEPT);

export function eventLine(line: string): Event | undefined {
  const parsed = v.safeParse(event, lineValue(line));
  return parsed.success ? parsed.output : undefined;
}

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;

/** Not synced: nothing is decided by it. Where there is no installation any more, nothing is written. Throws file errors. */
export function appendEvent(runPath: string, made: Event): void {
  const path = pathIn(runPath);
  let fd: number;
  try {
    fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return;
    throw thrown;
  }
  try {
    appendLine(fd, made);
    if (fstatSync(fd).size > MAX_BYTES) rotateLines(path, KEPT, fd);
  } finally {
    closeSync(fd);
  }
}
