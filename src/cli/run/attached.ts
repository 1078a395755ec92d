/** A container that runs in the foreground: what it writes comes out here, and signals go in. */
import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { RuntimeBackend } from '../../kernel/backends/index.ts';
import { KukeError } from '../../kernel/errors.ts';
import { describe } from '../../kernel/resource.ts';
import { type CellContainer, type CellContainers, runtimeId } from '../cell-process/containers.ts';
import { takeSignals } from '../cell-process/pass-signals.ts';
import type { Invocation, Program } from '../command.ts';
import { currentConsole } from '../console/console.ts';
import { follow } from '../logs/follow.ts';
import { readerOf, tried } from '../logs/log-reader.ts';

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

/** Resolves to its exit code when it has ended. Throws Failed when nobody knows that. */
export async function attached(
  runtime: RuntimeBackend,
  cell: CellContainers,
  container: CellContainer,
  { offset }: LogBefore,
  { program, signal }: Pick<Invocation, 'program' | 'signal'>,
): Promise<number> {
  const id = runtimeId(cell, container);
  const target = { signal: (name: NodeJS.Signals) => runtime.signal(id, name) };
  takeSignals().to(target);
  // What came before that was to cancel a command that was done by then.
  if (signal.aborted) await target.signal('SIGINT');
  const { writeBytes } = await currentConsole().streams(program);
  using log = readerOf(await program.logs(), container.logPath, { offset });
  const ended = runtime.wait(id, new AbortController().signal);
  let isOver = false;
  ended.finally(() => (isOver = true)).catch(() => {});
  await follow([container.logPath], () => log.pull(bytes => writeBytes(1, bytes)), ended);
  if (!isOver) {
    await target.signal('SIGPIPE');
    const late = setTimeout(() => void target.signal('SIGKILL').catch(() => {}), UNREAD_GRACE_MS);
    await ended.finally(() => clearTimeout(late));
  }
  const { exitCode } = await ended;
  if (exitCode !== undefined) return exitCode;
  throw new KukeError('Failed', 'nobody knows how it ended: it was deleted, or its shim has died', {
    resource: describe(cell.ref),
    remedy: 'see its log',
  });
}
