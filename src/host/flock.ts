/** Exclusive locks on files, flock(2): the kernel lets go of them when the process dies, however it dies. */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { errnoOf, hasCode } from './errno.ts';
import { asSystemError, checked, libc, SONAME, systemError } from './libc.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

/** A lock that is held. `using` lets go of it, as does the end of the process; a child does not inherit it. */
export interface FileLock extends Disposable {
  readonly path: string;
  /** Empties the file and lets go. Done twice, it does nothing. */
  release(): void;
}

/** What the file says while the lock is held, for those who wait: pid and command of the holder, say. */
export type DescribeHolder = () => string;

/** What others wait for, as this process knows: who asks for it again comes after them. */
const passedOn = new Set<string>();

/** Takes the lock if it is free, else undefined. The file is made (mode 0600) if it is not there; its directory must be. */
export function tryLock(path: string, describe: DescribeHolder): FileLock | undefined {
  for (;;) {
    const fd = openLockFile(path);
    const held = tryFlock(fd, path);
    if (held && isStill(path, fd)) return holding(path, fd, describe);
    closeSync(fd);
    if (!held) return undefined;
  }
}

/**
 * Takes the lock, waiting for as long as somebody else holds it; the event loop runs on meanwhile. Rejects with the signal's reason
 * when that aborts; a time limit is `AbortSignal.timeout(ms)`.
 */
export async function lock(path: string, describe: DescribeHolder, signal?: AbortSignal): Promise<FileLock> {
  signal?.throwIfAborted();
  for (;;) {
    const free = passedOn.delete(path) ? undefined : tryLock(path, describe);
    if (free !== undefined) return free;
    const fd = openLockFile(path);
    await flockInThread(fd, path, signal);
    if (isStill(path, fd)) return holding(path, fd, describe);
    closeSync(fd);
  }
}

/** What the holder wrote into the file; undefined if nobody seems to hold the lock. For messages only: it may be out of date. */
export function lockHolder(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw asSystemError(error, path);
  }
}

export interface LockingProcess {
  pid: number;
  command: string;
}

/**
 * Who holds the lock by the kernel's own list (proc_locks(5)): also who has it so lately that nothing is written yet. Undefined if nobody
 * does, or nobody that is seen from this pid namespace.
 */
export function lockingProcess(path: string): LockingProcess | undefined {
  try {
    const pid = listed(path, '')?.[1];
    if (pid === undefined) return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0+$/, '').replaceAll('\0', ' ');
    return command === '' ? undefined : { pid: Number(pid), command };
  } catch {
    return undefined; // let go of meanwhile, or no /proc
  }
}

/**
 * Whether somebody waits for it, this process included, by the kernel's own list; not who is not seen from this pid namespace. Who holds it,
 * and was told so, comes after them the next time. To be asked sparingly: the kernel takes some 10 ms to list its locks.
 */
export function isAwaited(path: string): boolean {
  try {
    const is = listed(path, '->') !== null;
    if (is) passedOn.add(path);
    return is;
  } catch {
    return false; // it is not there yet, or no /proc
  }
}

/** The first line of proc_locks(5) of it, with the pid: of who holds it, or (`->`) of who waits. */
function listed(path: string, which: '' | '->'): RegExpExecArray | null {
  const { dev, ino } = statSync(path);
  const hex = (number: number): string => number.toString(16).padStart(2, '0');
  // As glibc's gnu_dev_major(3) and gnu_dev_minor(3) take st_dev apart, for numbers that Linux gives out.
  const place = `${hex((dev >>> 8) & 0xfff)}:${hex((dev & 0xff) | ((dev >>> 12) & 0xfff00))}:${ino}`;
  const line = new RegExp(`^\\d+: +${which} *FLOCK +ADVISORY +WRITE (\\d+) ${place} `, 'm');
  return line.exec(readFileSync('/proc/locks', 'utf8'));
}

function openLockFile(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600); // node:fs adds O_CLOEXEC
  } catch (error) {
    throw asSystemError(error, path);
  }
}

function tryFlock(fd: number, path: string): boolean {
  try {
    checked('flock', libc().flock(fd, LOCK_EX | LOCK_NB), path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EAGAIN')) return false;
    closeSync(fd);
    throw error;
  }
}

/** Whether the file that was locked is the one that the path still names: a holder may have removed it. */
function isStill(path: string, fd: number): boolean {
  const now = statSync(path, { throwIfNoEntry: false });
  const locked = fstatSync(fd);
  return now !== undefined && now.ino === locked.ino && now.dev === locked.dev;
}

function holding(path: string, fd: number, describe: DescribeHolder): FileLock {
  let held = true;
  const release = () => {
    if (!held) return;
    held = false;
    ftruncateSync(fd, 0);
    checked('flock', libc().flock(fd, LOCK_UN), path); // not by closing alone: a fork in progress may still share the descriptor
    closeSync(fd);
  };
  try {
    ftruncateSync(fd, 0);
    writeSync(fd, describe(), 0);
  } catch (error) {
    release();
    throw error;
  }
  return { path, release, [Symbol.dispose]: release };
}

// The wait itself has to block a thread. As a blob the Worker needs no file of its own in a compiled binary.
const WORKER = `
  import { dlopen, read } from 'bun:ffi';
  const { symbols: c } = dlopen('${SONAME}', {
    flock: { args: ['i32', 'i32'], returns: 'i32' },
    __errno_location: { args: [], returns: 'ptr' },
  });
  self.onmessage = ({ data: fd }) => {
    let errno;
    do errno = c.flock(fd, ${LOCK_EX}) === 0 ? 0 : read.i32(c.__errno_location());
    while (errno === ${errnoOf('EINTR')});
    postMessage(errno);
  };`;

/** flock(2) in a Worker. A wait that was given up goes on in its thread (nothing can end it), and lets go as soon as it has the lock. */
function flockInThread(fd: number, path: string, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const url = URL.createObjectURL(new Blob([WORKER], { type: 'application/javascript' }));
  const worker = new Worker(url);
  let wanted = true;
  const finish = (error?: Error) => {
    worker.terminate();
    URL.revokeObjectURL(url);
    signal?.removeEventListener('abort', giveUp);
    if (error !== undefined || !wanted) closeSync(fd);
    if (error === undefined) resolve();
    else reject(error);
  };
  const giveUp = () => {
    wanted = false;
    worker.unref();
    reject(signal?.reason);
  };
  signal?.addEventListener('abort', giveUp, { once: true });
  worker.onmessage = ({ data: errno }: MessageEvent<number>) =>
    finish(errno === 0 ? undefined : systemError('flock', errno, path));
  worker.onerror = ({ message }) => finish(new Error(`flock ${path}: ${message}`));
  worker.postMessage(fd);
  return promise;
}
