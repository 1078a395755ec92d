/** cgroup.events: whether processes live in a cgroup, and waiting for that to change without polling. */
import { hasCode } from '../errno.ts';
import { watchPath } from '../folder-watch.ts';
import { asSystemError } from '../libc.ts';
import { type Cgroup, interfacePath, readInterface } from './cgroup.ts';

export interface CgroupEvents {
  /** There are living processes in the cgroup or below. */
  readonly populated: boolean;
  /** All of them are frozen. */
  readonly frozen: boolean;
}

/** The present state; undefined if the cgroup does not exist. The root of a host's hierarchy has no such file either. */
export function readEvents(cgroup: Cgroup): CgroupEvents | undefined {
  try {
    const lines = readInterface(cgroup, 'cgroup.events').split('\n');
    return { populated: lines.includes('populated 1'), frozen: lines.includes('frozen 1') };
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return undefined;
    throw error;
  }
}

/**
 * Resolves when `reached` holds or the cgroup has gone. Rejects with the signal's reason when that aborts; a time limit is
 * `AbortSignal.timeout(ms)`. The kernel reports each change of the file by inotify, so nothing is polled.
 */
export async function waitUntil(
  cgroup: Cgroup,
  reached: (events: CgroupEvents) => boolean,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = () => {
    try {
      const events = readEvents(cgroup);
      if (events === undefined || reached(events)) resolve();
    } catch (error) {
      reject(error);
    }
  };
  const abort = () => reject(signal?.reason);
  const watcher = watchEvents(cgroup, look);
  if (watcher === undefined) return;
  watcher.on('error', reject);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    look(); // only after the watch was set up, so that no change falls in between
    await promise;
  } finally {
    watcher.close();
    signal?.removeEventListener('abort', abort);
  }
}

function watchEvents(cgroup: Cgroup, look: () => void): ReturnType<typeof watchPath> | undefined {
  const path = interfacePath(cgroup, 'cgroup.events');
  try {
    return watchPath(path, look);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw asSystemError(error, path);
  }
}
