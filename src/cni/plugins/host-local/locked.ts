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

// A folder may be removed with its network just when it was made.
const ATTEMPTS = 10;

type Context = Pick<PluginCall, 'trace' | 'signal'>;

/**
 * Runs `work`, which is synchronous, under the lock of a network's folder; makes the folder. Throws PluginError, also for what the
 * disk refuses.
 */
export async function inReservations<T>(folder: string, call: Context, work: (of: Reservations) => T): Promise<T> {
  return await told(folder, async () => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const done = await underLock(folder, call, () => through(folder, call, work));
      if (done !== undefined) return done.value;
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
  return (await told(folder, () => underLock(folder, call, () => through(folder, call, work))))?.value;
}

function through<T>(folder: string, { trace }: Context, work: (of: Reservations) => T): T {
  const reservations = new Reservations(folder, trace);
  const value = work(reservations);
  reservations.seal();
  return value;
}

/** Removes the folder with all that is in it. */
export async function removeFolder(
  folder: string,
  call: Context = { trace: silent, signal: undefined },
): Promise<void> {
  const remove = () => rmSync(folder, { recursive: true, force: true });
  await told(folder, () => underLock(folder, call, () => call.trace(`rm -rf ${shellWord(folder)}`, remove)));
}

/** Undefined where there is no such folder. */
async function underLock<T>(folder: string, call: Context, work: () => T): Promise<{ value: T } | undefined> {
  const path = join(folder, 'lock');
  const command = `exec 9>> ${shellWord(path)} && flock 9`;
  const free = ifThere(() => call.trace(command, () => tryLock(path, nobody) ?? 'busy'));
  if (free === 'read-only') return { value: work() };
  // Nothing is awaited from here to the release, so that calls in one process are never in each other's way.
  if (free !== 'busy') return free && holding(free, work);
  return await inTurn(path, call.signal, async () => {
    const held = await call.trace(command, () => patiently(path, call.signal));
    return held && holding(held, work);
  });
}

function holding<T>(held: FileLock, work: () => T): { value: T } {
  using _ = held;
  return { value: work() };
}

async function patiently(path: string, signal: AbortSignal | undefined): Promise<FileLock | undefined> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  try {
    return await lock(path, nobody, signal === undefined ? patience : AbortSignal.any([signal, patience]));
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (!patience.aborted) throw error;
    const msg = `${path} has been locked for ${PATIENCE_MS / 1000} s by another process, which lslocks(8) names`;
    throw new PluginError('TryAgainLater', msg, '', error);
  }
}

const turns = new Map<string, Promise<unknown>>();

/** Of this process one waits at a time: a wait costs a thread. Whoever is called off before its turn does nothing. */
function inTurn<T>(path: string, signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
  const before = turns.get(path) ?? Promise.resolve();
  const mine = unlessAborted(before, signal).then(run);
  const over = Promise.allSettled([before, mine]).then(() => {
    if (turns.get(path) === over) turns.delete(path);
  });
  turns.set(path, over);
  return mine;
}

async function unlessAborted(awaited: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(signal?.reason);
  if (signal?.aborted) giveUp();
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    await Promise.race([awaited, aborted]);
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
}

/** On a file system that is read-only nobody changes anything, so that no lock is needed to see that nothing is to be freed. */
function ifThere<T>(take: () => T): T | 'read-only' | undefined {
  try {
    return take();
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (hasCode(error, 'EROFS')) return 'read-only';
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return hasCode(error, 'ENOENT', 'ENOTDIR');
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
