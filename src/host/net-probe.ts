/** Whether something listens in a network namespace, and what it answers to a GET: one socket, made inside. connect(2), RFC 9112. */
import { errnoOf, hasCode } from './errno.ts';
import { checked, close, libc, systemError } from './libc.ts';
import { within } from './netns.ts';
import { ready } from './readable.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const MSG_NOSIGNAL = 0x4000;
/** A status line is short; more than that is none. */
const MOST_BYTES = 4096;

export interface Endpoint {
  /** Path of the namespace; absent: the own one. */
  netns?: string;
  /** An address, no name. */
  host: string;
  port: number;
}

/** Connects, and closes again. Throws SystemError (ECONNREFUSED, ...), or the signal's reason. */
export async function probeTcp(at: Endpoint, signal: AbortSignal): Promise<void> {
  close(await connected(at, signal));
}

/** The status of the answer to a GET; 101 and other interim ones too. Throws as `probeTcp`, and an Error for what is no HTTP. */
export async function probeHttp(
  at: Endpoint,
  { path, headers }: { path: string; headers: Record<string, string> },
  signal: AbortSignal,
): Promise<number> {
  const fd = await connected(at, signal);
  try {
    const named = Object.keys(headers).map(name => name.toLowerCase());
    const host = at.host.includes(':') ? `[${at.host}]` : at.host;
    const lines = [
      `GET ${path} HTTP/1.1`,
      ...(named.includes('host') ? [] : [`Host: ${host}:${at.port}`]),
      ...(named.includes('user-agent') ? [] : ['User-Agent: kuke']),
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      'Connection: close',
    ];
    await sendAll(fd, Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), signal);
    return await statusFrom(fd, signal);
  } finally {
    close(fd);
  }
}

async function connected({ netns, host, port }: Endpoint, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted();
  const isIpv6 = host.includes(':');
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const make = () => checked('socket', libc().socket(isIpv6 ? AF_INET6 : AF_INET, type, 0));
  const fd = netns === undefined ? make() : within(netns, make);
  try {
    const address = isIpv6 ? ipv6Address(host, port) : ipv4Address(host, port);
    try {
      checked('connect', libc().connect(fd, address, address.length), `${host}:${port}`);
    } catch (error) {
      if (!hasCode(error, 'EINPROGRESS')) throw error;
      await ready(fd, 'write', signal);
    }
    const [errno = 0] = errorOf(fd);
    if (errno !== 0) throw systemError('connect', errno, `${host}:${port}`);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

function errorOf(fd: number): Int32Array {
  const errno = new Int32Array(1);
  checked('getsockopt', libc().getsockopt(fd, SOL_SOCKET, SO_ERROR, errno, new Uint32Array([4])));
  return errno;
}

async function sendAll(fd: number, bytes: Buffer, signal: AbortSignal): Promise<void> {
  for (let sent = 0; sent < bytes.length; ) {
    try {
      const rest = bytes.subarray(sent);
      sent += checked('send', libc().send(fd, rest, rest.length, MSG_NOSIGNAL));
    } catch (error) {
      if (!hasCode(error, 'EAGAIN')) throw error;
      await ready(fd, 'write', signal);
    }
  }
}

async function statusFrom(fd: number, signal: AbortSignal): Promise<number> {
  let text = '';
  const buffer = Buffer.alloc(MOST_BYTES);
  while (!text.includes('\n') && text.length < MOST_BYTES) {
    await ready(fd, 'read', signal);
    const count = checked('recv', libc().recv(fd, buffer, buffer.length, 0));
    if (count === 0) break;
    text += buffer.toString('latin1', 0, count);
  }
  const [, status] = /^HTTP\/\d(?:\.\d)? (\d{3})\b/.exec(text) ?? [];
  if (status === undefined)
    throw new Error(text === '' ? 'it closed the connection without an answer' : 'what it answers is no HTTP');
  return Number(status);
}

/** struct sockaddr_in. */
function ipv4Address(host: string, port: number): Buffer {
  const bytes = host.split('.').map(Number);
  if (bytes.length !== 4 || bytes.some(one => !Number.isInteger(one) || one < 0 || one > 255))
    throw systemError('connect', errnoOf('EINVAL'), host);
  const address = Buffer.alloc(16);
  new Uint16Array(address.buffer, address.byteOffset, 1)[0] = AF_INET;
  address.writeUInt16BE(port, 2);
  address.set(bytes, 4);
  return address;
}

/** struct sockaddr_in6. */
function ipv6Address(host: string, port: number): Buffer {
  const address = Buffer.alloc(28);
  new Uint16Array(address.buffer, address.byteOffset, 1)[0] = AF_INET6;
  address.writeUInt16BE(port, 2);
  address.set(ipv6Bytes(host), 8);
  return address;
}

function ipv6Bytes(host: string): number[] {
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16));
  const [left = '', right] = new URL(`http://[${host}]`).hostname.slice(1, -1).split('::');
  const [before, after] = [groups(left), groups(right ?? '')];
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
  return all.flatMap(group => [group >> 8, group & 0xff]);
}
