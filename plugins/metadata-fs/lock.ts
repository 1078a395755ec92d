/** The lock on a run path: flock(2) on `/run/kukeon/<hash of the run path>.lock`, which says who holds it (spec.md §2). */
import { mkdirSync, rmdirSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { asKukeError, KukeError, runPathTag, type StoreBackend, type StoreLock } from 'kuke/plugin';
import { hasCode } from '../../src/host/errno.ts';
import {
  type FileLock,
  lock as fileLock,
  isAwaited,
  type LockingProcess,
  lockHolder,
  lockingProcess,
} from '../../src/host/flock.ts';
import { asStoreError } from './errors.ts';

type LockRequest = Parameters<StoreBackend['lock']>[0];

const NOTICE_MS = 1000;

export function lockPath(lockFolder: string, root: string): string {
  return join(lockFolder, `${runPathTag(root)}.lock`);
}

/** `isInUse` is asked at the end: where nothing is set up (any more), no lock file stays behind. */
export async function takeLock(
  path: string,
  request: LockRequest,
  isInUse: () => Promise<boolean>,
): Promise<StoreLock> {
  const { command, timeoutMs, signal, onWait } = request;
  const limit = AbortSignal.timeout(timeoutMs);
  const notice = setTimeout(() => {
    const holder = holderOf(path);
    // Else it is ours by now, and the news of it is on its way.
    if (holder?.pid !== process.pid || (writtenIn(path) && holder.command !== command)) onWait(holder);
  }, NOTICE_MS);
  try {
    const held = await taken(path, command, AbortSignal.any([signal, limit]));
    let released: Promise<void> | undefined;
    const release = async () => letGo(held, await isInUse());
    return { isAwaited: () => isAwaited(path), release: () => (released ??= release()) };
  } catch (thrown) {
    if (signal.aborted) throw asKukeError(signal.reason, 'Cancelled');
    if (!limit.aborted) throw asStoreError(thrown, path);
    const holder = holderOf(path);
    const by = holder === undefined ? 'another kuke' : `pid ${holder.pid}: ${holder.command}`;
    throw new KukeError('Locked', `still held after ${timeoutMs} ms by ${by}`, { step: `lock ${path}` });
  } finally {
    clearTimeout(notice);
  }
}

async function taken(path: string, command: string, signal: AbortSignal): Promise<FileLock> {
  for (;;) {
    mkdirSync(join(path, '..'), { recursive: true, mode: 0o755 });
    try {
      return await fileLock(path, () => `${process.pid} ${command}\n`, signal);
    } catch (thrown) {
      // The last holder, at the end of an uninstall, may take the folder away between the two lines above.
      if (!hasCode(thrown, 'ENOENT')) throw thrown;
    }
  }
}

function letGo(held: FileLock, isInUse: boolean): void {
  // While it is still held: whoever waits for it then notices, and makes a new one.
  if (!isInUse) {
    try {
      unlinkSync(held.path);
      rmdirSync(join(held.path, '..'));
    } catch {} // others' locks are there too, or kukeond's socket
  }
  held.release();
}

/** By the kernel's own list and by the file, which outlives its holder. */
export function lockState(path: string): Awaited<ReturnType<NonNullable<StoreBackend['lockState']>>> {
  const writtenBy = writtenIn(path);
  const held = lockingProcess(path);
  // As the person has typed it.
  const heldBy = held?.pid === writtenBy?.pid ? writtenBy : held;
  // Its holders write into it, and empty it.
  const { ino, mtimeNs } = statSync(path, { bigint: true, throwIfNoEntry: false }) ?? {};
  return { path, ...(heldBy && { heldBy }), ...(writtenBy && { writtenBy }), turn: `${ino} ${mtimeNs}` };
}

/** The file holds `PID COMMAND`. From one holder's end until the next has written it is empty, which may take long on a busy machine. */
function holderOf(path: string): LockingProcess | undefined {
  return writtenIn(path) ?? lockingProcess(path);
}

function writtenIn(path: string): LockingProcess | undefined {
  const [, pid, command] = /^(\d+) (.*)$/s.exec(lockHolder(path) ?? '') ?? [];
  return pid === undefined || command === undefined ? undefined : { pid: Number(pid), command: command.trim() };
}
