/** Named network namespaces, made and named so that `ip netns` sees them: ip-netns(8), setns(2), network_namespaces(7). */
import { closeSync, constants, lstatSync, mkdirSync, openSync, statSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, hasCode } from './errno.ts';
import { asSystemError, checked, libc, systemError } from './libc.ts';
import { bindMount, makeShared, unmount } from './mount.ts';

const CLONE_NEWNET = 0x40000000;
const NS_GET_NSTYPE = 0xb703; // ioctl_nsfs(2)
const LOCK_EX = 2;
const LOCK_NB = 4;
/** iproute2 holds it for microseconds. */
const PATIENCE_MS = 200;
const OWN = '/proc/thread-self/ns/net';

/** What `stat` says of a network namespace; two are the same one exactly if both numbers are. */
export interface NetnsId {
  readonly device: number;
  readonly inode: number;
}

/** Whether a network namespace is mounted at `path`; false for a file of another sort and for what is not there. */
export function isNetns(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ENXIO', 'ELOOP')) return false;
    throw asSystemError(error, path);
  }
  const type = libc().ioctl(fd, NS_GET_NSTYPE, 0); // ENOTTY for what is no namespace
  closeSync(fd);
  return type === CLONE_NEWNET;
}

/** The identity of the namespace at `path` (also of `/proc/PID/ns/net`). */
export function netnsId(path: string): NetnsId {
  try {
    const { dev, ino } = statSync(path);
    return { device: dev, inode: ino };
  } catch (error) {
    throw asSystemError(error, path);
  }
}

/**
 * Creates a network namespace and mounts it at `path` (`/run/netns/NAME`, so that `ip netns` lists it). One that is there already is
 * left as it is: `created` is false. What a killed creation left (an empty file that is no mount) is taken over; any other file in
 * the way is an error. The loopback interface of a new one is down.
 */
export function createNetns(path: string): { id: NetnsId; created: boolean } {
  shareDirectory(dirname(path));
  if (isNetns(path)) return { id: netnsId(path), created: false };
  makeMountPoint(path);
  try {
    thenReturnHome(() => {
      checked('unshare', libc().unshare(CLONE_NEWNET), 'a network namespace');
      bindMount(OWN, path);
    });
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
  return { id: netnsId(path), created: true };
}

/**
 * Removes the name and whatever is mounted there; the namespace ends with its last process or socket. False if there was nothing.
 * A file that is no netns nor the mount point of one is not removed but an error.
 */
export function deleteNetns(path: string): boolean {
  while (unmount(path, { detach: true })); // one on top of another, if two creations met
  if (!isEmptyFile(path)) return false;
  unlinkSync(path);
  return true;
}

/**
 * Runs `fn` with the calling thread inside the namespace at `path` and returns its result. `fn` must be synchronous and should do
 * no more than it needs to be inside for: open a socket (which then stays inside), write a parameter. A thread that is created
 * meanwhile, by asynchronous work for instance, would live in that namespace and keep it from ending.
 */
export function within<T>(path: string, fn: () => T extends PromiseLike<unknown> ? never : T): T {
  const target = openReadOnly(path);
  try {
    return thenReturnHome(() => {
      checked('setns', libc().setns(target, CLONE_NEWNET), path);
      const result = fn();
      if (result instanceof Promise) throw new TypeError('within() is for synchronous work, but a promise came back');
      return result;
    });
  } finally {
    closeSync(target);
  }
}

/** Runs `fn`, which may move the calling thread to another network namespace, and takes the thread back to its own. */
function thenReturnHome<T>(fn: () => T): T {
  const home = openReadOnly(OWN);
  try {
    return fn();
  } finally {
    const result = libc().setns(home, CLONE_NEWNET);
    closeSync(home);
    if (result !== 0) {
      console.error('fatal: cannot return to the own network namespace'); // whatever came next would hit the wrong network
      process.abort();
    }
  }
}

function openReadOnly(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw asSystemError(error, path);
  }
}

/** Makes the empty file that the namespace will be mounted on; one that is there is taken over. */
function makeMountPoint(path: string): void {
  if (isEmptyFile(path)) return;
  try {
    closeSync(openSync(path, constants.O_RDONLY | constants.O_CREAT | constants.O_EXCL, 0o444));
  } catch (error) {
    throw asSystemError(error, path);
  }
}

/** False if nothing is there; EEXIST if what is there is not an empty file. */
function isEmptyFile(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  if (!stat.isFile() || stat.size > 0)
    throw systemError('netns', errnoOf('EEXIST'), `${path} is in the way, it is no network namespace`);
  return true;
}

/** Makes the directory a shared mount, so that namespaces mounted in it are seen (and let go) in every mount namespace. */
function shareDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  if (madeShared(directory)) return;
  const lock = openReadOnly(directory); // iproute2 takes the same lock, so that the directory is not mounted on itself twice
  try {
    waitForTurn(lock);
    if (madeShared(directory)) return;
    bindMount(directory, directory, { recursive: true });
    makeShared(directory);
  } finally {
    closeSync(lock);
  }
}

/** Whoever can read the folder, anybody that is, can hold this lock without end: mounted twice, it would do as well. */
function waitForTurn(lock: number): void {
  const end = performance.now() + PATIENCE_MS;
  while (libc().flock(lock, LOCK_EX | LOCK_NB) !== 0 && performance.now() < end) Bun.sleepSync(1);
}

function madeShared(directory: string): boolean {
  try {
    makeShared(directory);
    return true;
  } catch (error) {
    if (hasCode(error, 'EINVAL')) return false; // not a mount point yet
    throw error;
  }
}
