/** A container that runs in the foreground: what it writes comes out here, and signals go in. */
import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Attended, attend, codeOf } from '../../kernel/attend.ts';
import { KukeError } from '../../kernel/errors.ts';
import { tried } from '../../kernel/logs/log-reader.ts';
import type { ResourceRef } from '../../kernel/resource.ts';
import { atInput, attendAtInput, type InputOptions, shownHere } from '../attach/at-input.ts';
import type { CellContainer } from '../cell-process/containers.ts';
import { takeSignals } from '../cell-process/pass-signals.ts';
import type { Invocation, Program } from '../command.ts';

/** How long one that nobody listens to has to end by SIGPIPE, before SIGKILL: a first process that does not handle it does not mind it. */
const UNREAD_GRACE_MS = 1000;

/** What of a log is there before the container writes to it. */
export interface LogBefore {
  /** Of all that was ever written. */
  offset: number;
  hasFolder: boolean;
}

export async function logBefore({ logPath }: CellContainer, program: Program): Promise<LogBefore> {
  const { endOfLog } = await program.logs();
  return { offset: tried(() => endOfLog(logPath)), hasFolder: existsSync(dirname(logPath)) };
}

/** Takes the log away with its folder, save where that was there before. */
export function removeLog({ logPath }: CellContainer, { hasFolder }: LogBefore): void {
  if (!hasFolder) rmSync(dirname(logPath), { recursive: true, force: true });
}

/**
 * Resolves to its exit code when it has ended; undefined: it was left, and runs on. With a terminal whose keys go to it, it takes no signals of
 * ours: they leave it. Throws Failed when nobody knows how it ended.
 */
export async function attached(
  place: Attended,
  ref: ResourceRef,
  { program, signal }: Pick<Invocation, 'program' | 'signal'>,
  input?: InputOptions,
): Promise<number | undefined> {
  const { runtime, id } = place;
  using attachment = input && (await unlessEnded(runtime.attach(id)));
  if (input?.isFed && attachment?.hasTerminal) {
    const end = await attendAtInput(place, attachment, input, { program, signal });
    return end.how === 'ended' ? codeOf(end, ref) : undefined;
  }
  const target = { signal: (name: NodeJS.Signals) => runtime.signal(id, name) };
  takeSignals().to(target);
  // What came before that was to cancel a command that was done by then.
  if (signal.aborted) await target.signal('SIGINT');
  const at = input && attachment && (await atInput(attachment, input, program));
  try {
    const end = await attend(place, await shownHere(program), new Promise(() => {}), async ended => {
      await target.signal('SIGPIPE');
      const late = setTimeout(() => void target.signal('SIGKILL').catch(() => {}), UNREAD_GRACE_MS);
      await ended.finally(() => clearTimeout(late));
    });
    return codeOf(end, ref);
  } finally {
    await at?.end();
  }
}

/** One that has ended by now is told of by its log. */
async function unlessEnded<T>(attachment: Promise<T>): Promise<T | undefined> {
  try {
    return await attachment;
  } catch (thrown) {
    if (thrown instanceof KukeError && ['Conflict', 'NotFound'].includes(thrown.code)) return undefined;
    throw thrown;
  }
}
