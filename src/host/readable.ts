/** Waiting in the event loop for a descriptor that Bun knows nothing of: a pidfd, an inotify or an event descriptor. */
import { errnoOf } from './errno.ts';
import { checked, close, libc, systemError } from './libc.ts';

const F_DUPFD_CLOEXEC = 1030;
const POLLIN = 0x01;
const POLLNVAL = 0x20;

/** poll(2) without waiting: whether `fd` can be read now, or is in a state (POLLHUP, POLLERR) in which waiting is over. */
export function isReadable(fd: number): boolean {
  const pollfd = new Int16Array([fd & 0xffff, fd >>> 16, POLLIN, 0]); // struct pollfd {int fd; short events, revents}
  checked('poll', libc().poll(pollfd, 1, 0), `fd ${fd}`);
  const revents = pollfd[3] ?? 0;
  if (revents & POLLNVAL) throw systemError('poll', errnoOf('EBADF'), `fd ${fd}`);
  return revents !== 0;
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
