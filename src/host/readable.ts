/** Waiting in the event loop for a descriptor that Bun knows nothing of: a pidfd, a FIFO, a terminal, an event descriptor. */
import { errnoOf } from './errno.ts';
import { checked, close, lastErrno, libc, systemError } from './libc.ts';

const F_DUPFD_CLOEXEC = 1030;
const POLLIN = 0x01;
const POLLPRI = 0x02;
const POLLOUT = 0x04; // the same as EPOLLOUT
const POLLNVAL = 0x20;
const EINTR = errnoOf('EINTR');
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;

const EVENTS = { read: POLLIN, write: POLLOUT };

/** poll(2) without waiting: whether `fd` can be read now, or is in a state (POLLHUP, POLLERR) in which waiting is over. */
export function isReadable(fd: number): boolean {
  return isReady(fd, 'read');
}

/** The same for either direction. What needs no waiting, such as a regular file, is always ready. */
export function isReady(fd: number, direction: 'read' | 'write'): boolean {
  return polled(fd, EVENTS[direction]) !== 0;
}

/** Of a file of the kernel's that tells by POLLPRI that it has changed since it was opened, or since this was asked before. */
export function isChanged(fd: number): boolean {
  return polled(fd, POLLPRI) !== 0;
}

function polled(fd: number, events: number): number {
  const pollfd = new Int16Array([fd & 0xffff, fd >>> 16, events, 0]); // struct pollfd {int fd; short events, revents}
  // A signal may come at any time, and then nothing has been told yet.
  while (libc().poll(pollfd, 1, 0) === -1) if (lastErrno() !== EINTR) checked('poll', -1, `fd ${fd}`);
  const revents = pollfd[3] ?? 0;
  if (revents & POLLNVAL) throw systemError('poll', errnoOf('EBADF'), `fd ${fd}`);
  return revents;
}

/**
 * Resolves when `fd` becomes readable; nothing is read from it. Rejects with the signal's reason when that aborts. Costs no thread:
 * Bun's event loop polls a duplicate, handed to it as if it were a socket, and its attempt to recv(2) from what is none (ENOTSOCK)
 * tells that there is something to read. Not for sockets, whose data would be lost. A wait keeps the process alive.
 */
export async function readable(fd: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  if (isReadable(fd)) return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  promise.catch(() => {}); // it is awaited below, but may reject before
  const abort = () => reject(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const data = () => reject(new Error(`fd ${fd} is a socket`));
    const socket = await adopt(duplicate(fd), { data, close: () => resolve() });
    await promise.finally(() => socket.terminate());
  } finally {
    signal?.removeEventListener('abort', abort);
  }
  if (!isReadable(fd)) throw new Error(`the event loop says that fd ${fd} is readable, poll(2) that it is not`);
}

/** As `readable`, for sockets too, and for either direction: an epoll instance (epoll(7)) stands between Bun and the descriptor. */
export async function ready(fd: number, direction: 'read' | 'write', signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  if (isReady(fd, direction)) return;
  const epoll = checked('epoll_create1', libc().epoll_create1(EPOLL_CLOEXEC));
  try {
    const event = new Uint32Array([EVENTS[direction], 0, 0, 0]); // struct epoll_event, packed on some architectures
    checked('epoll_ctl', libc().epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event), `fd ${fd}`);
    await readable(epoll, signal);
  } finally {
    close(epoll);
  }
}

/**
 * Resolves when nobody reads any more what is written to `fd`: a pipe whose reader has gone, a terminal that has. Of what has no other end,
 * such as a file, only the signal, with whose reason it rejects, ends the wait.
 */
export async function hungUp(fd: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const epoll = checked('epoll_create1', libc().epoll_create1(EPOLL_CLOEXEC));
  try {
    // EPOLLERR and EPOLLHUP are told of without being asked for.
    const added = libc().epoll_ctl(epoll, EPOLL_CTL_ADD, fd, new Uint32Array([0, 0, 0, 0]));
    if (Number(added) !== -1 || lastErrno() !== errnoOf('EPERM')) checked('epoll_ctl', added, `fd ${fd}`);
    await readable(epoll, signal);
  } finally {
    close(epoll);
  }
}

const duplicate = (fd: number) => checked('fcntl', libc().fcntl(fd, F_DUPFD_CLOEXEC, 0), `fd ${fd}`);

async function adopt(fd: number, socket: Bun.SocketHandler): Promise<Bun.Socket> {
  const options: Bun.FdSocketOptions = { fd, socket };
  try {
    // bun-types has these options, but no overload of connect() that takes them.
    return await Bun.connect(options as unknown as Bun.TCPSocketConnectOptions);
  } catch (error) {
    close(fd); // a socket closes it by itself, a failed connect does not
    throw error;
  }
}
