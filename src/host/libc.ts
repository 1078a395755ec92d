/** The C library by FFI: the system calls that neither Bun nor Node offers, and errno. */
import { CString, dlopen, read } from 'bun:ffi';
import { SystemError } from './errno.ts';

// glibc has this soname loaded already, and musl's dlopen answers any `libc.*` with itself, so no file is looked for and Bun's
// fallback to the current directory never comes into play (seen with strace on both).
export const SONAME = 'libc.so.6';

const SYMBOLS = {
  __errno_location: { args: [], returns: 'ptr' },
  strerror: { args: ['i32'], returns: 'ptr' },
  syscall: { args: ['i64', 'i64', 'i64', 'i64', 'i64', 'i64', 'i64'], returns: 'i64' },

  open: { args: ['ptr', 'i32', 'u32'], returns: 'i32' },
  close: { args: ['i32'], returns: 'i32' },
  read: { args: ['i32', 'ptr', 'usize'], returns: 'i64' },
  write: { args: ['i32', 'ptr', 'usize'], returns: 'i64' },
  ioctl: { args: ['i32', 'u64', 'i64'], returns: 'i32' },
  fcntl: { args: ['i32', 'i32', 'i64'], returns: 'i32' },
  flock: { args: ['i32', 'i32'], returns: 'i32' },
  fallocate: { args: ['i32', 'i32', 'i64', 'i64'], returns: 'i32' },
  sync: { args: [], returns: 'void' },
  syncfs: { args: ['i32'], returns: 'i32' },
  lseek: { args: ['i32', 'i64', 'i32'], returns: 'i64' },
  poll: { args: ['ptr', 'u64', 'i32'], returns: 'i32' },
  epoll_create1: { args: ['i32'], returns: 'i32' },
  epoll_ctl: { args: ['i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  mkfifo: { args: ['ptr', 'u32'], returns: 'i32' },
  pipe2: { args: ['ptr', 'i32'], returns: 'i32' },
  readlink: { args: ['ptr', 'ptr', 'usize'], returns: 'i64' },
  statx: { args: ['i32', 'ptr', 'i32', 'u32', 'ptr'], returns: 'i32' },
  linkat: { args: ['i32', 'ptr', 'i32', 'ptr', 'i32'], returns: 'i32' },
  tcgetattr: { args: ['i32', 'ptr'], returns: 'i32' },
  tcsetattr: { args: ['i32', 'i32', 'ptr'], returns: 'i32' },
  cfmakeraw: { args: ['ptr'], returns: 'void' },

  unshare: { args: ['i32'], returns: 'i32' },
  setns: { args: ['i32', 'i32'], returns: 'i32' },
  madvise: { args: ['u64', 'u64', 'i32'], returns: 'i32' },
  mount: { args: ['ptr', 'ptr', 'ptr', 'u64', 'ptr'], returns: 'i32' },
  umount2: { args: ['ptr', 'i32'], returns: 'i32' },

  socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  bind: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
  connect: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
  getsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'ptr'], returns: 'i32' },
  setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], returns: 'i32' },
  send: { args: ['i32', 'ptr', 'usize', 'i32'], returns: 'i64' },
  recv: { args: ['i32', 'ptr', 'usize', 'i32'], returns: 'i64' },
} as const;

// The type of `libc()` is derived from the table by bun-types; this function is here so that it has a name.
const load = () => dlopen(SONAME, SYMBOLS).symbols;
let loaded: ReturnType<typeof load> | undefined;

/** The C library's functions, opened on first use (0.2 ms). A result of -1 is to be put through `checked` at once. */
export function libc(): ReturnType<typeof load> {
  loaded ??= load();
  return loaded;
}

/** The calling thread's errno; to be read before anything else is called. */
export function lastErrno(): number {
  const address = libc().__errno_location();
  if (address === null) throw new Error('__errno_location() returned NULL');
  return read.i32(address);
}

/** strerror(3): the text of an errno. */
export function errnoText(errno: number): string {
  return new CString(libc().strerror(errno)).toString();
}

/** An error for an errno that did not come from a libc call (a netlink answer, SO_ERROR). */
export function systemError(syscall: string, errno: number, detail = ''): SystemError {
  return new SystemError(syscall, errno, errnoText(errno), detail);
}

/** What was thrown, but an error of node:fs becomes a SystemError: the same errno in the kernel's words, not libuv's. */
export function asSystemError(error: unknown, detail: string): unknown {
  if (!(error instanceof Error) || error instanceof SystemError) return error;
  const { errno, syscall } = error as NodeJS.ErrnoException;
  return typeof errno === 'number' && errno < 0 ? systemError(syscall ?? 'syscall', -errno, detail) : error;
}

/** Passes the result of a libc function on, or throws a SystemError from errno if it is -1. `detail` says what it was about. */
export function checked(syscall: string, result: number | bigint, detail = ''): number {
  const value = Number(result);
  if (value === -1) throw systemError(syscall, lastErrno(), detail);
  return value;
}

/** A NUL-terminated string for a `ptr` argument. A NUL inside would cut a path short unseen, so it throws. */
export function cstring(text: string): Buffer {
  if (text.includes('\0')) throw new RangeError(`NUL in ${JSON.stringify(text)}`);
  return Buffer.from(`${text}\0`);
}

/** Closes a descriptor that was made by `libc()`; one that is closed already is a bug and throws EBADF. */
export function close(fd: number): void {
  checked('close', libc().close(fd), `fd ${fd}`);
}
