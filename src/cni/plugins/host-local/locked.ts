/** Working on a network's reservations: one process at a time, ours or the reference plugin's. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, SystemError } from '../../../host/errno.ts';
import { type FileLock, lock, tryLock } from '../../../host/flock.ts';
import { asSystemError } from '../../../host/libc.ts';
import type { PluginCall } from '../plugin.ts';
import { PluginError } from '../plugin-error.ts';
import { shellWord } from '../shell-word.ts';
import { silent } from '../trace.ts';
import { Reservations } from './reservations.ts';

// Whoever holds it needs some milliseconds.
const PATIENCE_MS = 30_000;

// It may be removed with its network just when it was made.
const ATTEMPTS = 10;

type Context = Pick<PluginCall, 'trace' | 'signal'>;

/**
 * Runs `work`, which must not wait for anything, under the lock of a network's folder; makes the folder. Throws PluginError, of what
 * the disk refuses too.
 */
export async function inReservations<T>(folder: string, call: Context, work: (of: Reservations) => T): Promise<T> {
  return await told(folder, async () => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      using held = await lockFolder(folder, call);
      if (held !== undefined) return work(new Reservations(folder, call.trace));
      call.trace(`mkdir -p ${shellWord(folder)}`, () => mkdirSync(folder, { recursive: true, mode: 0o755 }));
    }
    throw new PluginError('IoFailure', `${folder} is no folder, or is removed again and again`);
  });
}

/** The same for a folder as it is; undefined, and nothing is run, where there is none. */
export async function inExisting<T>(
  folder: string,
  call: Context,
  work: (of: Reservations) => T,
): Promise<T | undefined> {
  return await told(folder, async () => {
    using held = await lockFolder(folder, call);
    return held && work(new Reservations(folder, call.trace));
  });
}

/** Removes the folder with all that is in it. */
export async function removeFolder(
  folder: string,
  call: Context = { trace: silent, signal: undefined },
): Promise<void> {
  await told(folder, async () => {
    using held = await lockFolder(folder, call);
    if (held === undefined) return;
    call.trace(`rm -rf ${shellWord(folder)}`, () => rmSync(folder, { recursive: true, force: true }));
  });
}

async function lockFolder(folder: string, { trace, signal }: Context): Promise<FileLock | undefined> {
  const path = join(folder, 'lock');
  try {
    return await trace(
      `exec 9>> ${shellWord(path)} && flock 9`,
      async () => tryLock(path, nobody) ?? (await wait(path, signal)),
    );
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

async function wait(path: string, signal: AbortSignal | undefined): Promise<FileLock> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  try {
    return await lock(path, nobody, signal === undefined ? patience : AbortSignal.any([signal, patience]));
  } catch (error) {
    if (!patience.aborted) throw error;
    const msg = `${path} is locked for over ${PATIENCE_MS / 1000} s by another process: find it with lslocks(8)`;
    throw new PluginError('TryAgainLater', msg, '', error);
  }
}

// The reference plugin's lock file is empty.
const nobody = () => '';

async function told<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const error = asSystemError(thrown, folder);
    if (!(error instanceof SystemError)) throw error;
    throw new PluginError('IoFailure', `host-local can't work on its reservations in ${folder}`, error.message, error);
  }
}
