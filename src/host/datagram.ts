/** Datagrams between processes of a host, unix(7): what a service tells of itself to who started it (sd_notify(3)). */
import { unlinkSync } from 'node:fs';
import { hasCode } from './errno.ts';
import { checked, close, libc } from './libc.ts';
import { isReadable, ready } from './readable.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const MSG_NOSIGNAL = 0x4000;
const MAX_BYTES = 4096;
const SUN_PATH = 108;

/** struct sockaddr_un; a name that begins with `@` is an abstract one, as systemd writes them. */
function address(name: string): Uint8Array {
  const isAbstract = name.startsWith('@');
  const path = Buffer.from(isAbstract ? `\0${name.slice(1)}` : `${name}\0`);
  if (path.length > SUN_PATH) throw new RangeError(`a socket's name may have ${SUN_PATH - 1} bytes: ${name}`);
  return Buffer.concat([new Uint8Array(new Uint16Array([AF_UNIX]).buffer), path]);
}

function open(): number {
  return checked('socket', libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/** Sends one datagram to the socket of that name. SystemError where nobody is there, or its queue is full (EAGAIN). */
export function sendDatagram(name: string, text: string): void {
  const to = address(name);
  const bytes = Buffer.from(text);
  const fd = open();
  try {
    checked('connect', libc().connect(fd, to, to.length), name);
    checked('send', libc().send(fd, bytes, bytes.length, MSG_NOSIGNAL), name);
  } finally {
    close(fd);
  }
}

/** A socket in the file system that datagrams are sent to; who may write to it (0755: ourselves and root) may send. */
export interface DatagramSocket extends Disposable {
  /** The next one, of at most 4096 bytes. Rejects with the signal's reason when that aborts. */
  next(signal: AbortSignal): Promise<string>;
}

export function bindDatagrams(path: string): DatagramSocket {
  const at = address(path);
  const fd = open();
  try {
    checked('bind', libc().bind(fd, at, at.length), path);
  } catch (error) {
    close(fd);
    throw error;
  }
  const buffer = Buffer.alloc(MAX_BYTES);
  return {
    async next(signal) {
      if (!isReadable(fd)) await ready(fd, 'read', signal);
      const length = checked('recv', libc().recv(fd, buffer, buffer.length, 0), path);
      return buffer.toString('utf8', 0, length);
    },
    [Symbol.dispose]() {
      close(fd);
      try {
        unlinkSync(path);
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error;
      }
    },
  };
}
