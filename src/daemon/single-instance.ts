/** One kukeond a run path: it holds its pid file locked for as long as it lives, however it ends. */
import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { type FileLock, type LockingProcess, lockingProcess, tryLock } from '../host/flock.ts';
import type { DaemonPlaces } from '../kernel/daemon-places.ts';
import { KukeError } from '../kernel/errors.ts';

/** Who runs; undefined: nobody. */
export const runningDaemon = ({ pidFile }: DaemonPlaces): LockingProcess | undefined => lockingProcess(pidFile);

/** Throws HostNotReady, which names the first one, where there is one. A dead one's socket is taken away. `using` lets go. */
export function claim(places: DaemonPlaces): FileLock {
  const { pidFile, socket } = places;
  mkdirSync(dirname(pidFile), { recursive: true, mode: 0o755 });
  const lock = tryLock(pidFile, () => `${process.pid}\n`);
  if (lock === undefined) {
    const first = runningDaemon(places);
    const who = first === undefined ? '' : `: pid ${first.pid}`;
    throw new KukeError('HostNotReady', `kukeond runs already${who}`, {
      remedy: 'see `kuke daemon status`; to have another one in its place, `kuke daemon restart`',
    });
  }
  rmSync(socket, { force: true });
  const release = (): void => {
    rmSync(socket, { force: true });
    // While it is locked: whoever takes it next notices that it is gone.
    rmSync(pidFile, { force: true });
    lock.release();
  };
  return { path: pidFile, release, [Symbol.dispose]: release };
}
