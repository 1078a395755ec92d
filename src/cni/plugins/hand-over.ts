/**
 * A call of the program that kukeond answers, where it runs: it has the plugins loaded and compiled, so that what remains here is Bun's start.
 * Only where it answers at once, and sees the host as we do: a path has to mean the same to both.
 *
 * On its socket it says first, as a line, what it sees (`viewOfHost`). Then comes a line of JSON, {env, called, stdin}, and one back, {status, text}.
 */
import { checked, close, cstring, libc } from '../../host/libc.ts';
import type { Answer, Environment } from './answer.ts';

export const CNI_SOCKET = '/run/kukeon/cni.sock';

/** As it goes over the socket. */
export interface HandedCall {
  env: Record<string, string>;
  called: string;
  stdin: string;
}

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const MSG_NOSIGNAL = 0x4000;
/** One that does something else just now is not waited for longer than the work itself would take. */
const AT_ONCE_MS = 20;
/** More than a call takes on a busy host; libcni's own limits are far above. */
const PATIENCE_MS = 60_000;
const NEWLINE = 10;
const AT_FDCWD = -100;
const STATX_INO = 0x100;

const HANDED = new Set(['ADD', 'DEL', 'CHECK']);
const OFF = /^(?:|0|no|false|off)$/i;

/** Whoever looks by KUKE_CNI_LOG wants to see what this very process does. */
export function mayHandOver(env: Environment): boolean {
  return HANDED.has(env.CNI_COMMAND ?? '') && !env.KUKE_CNI_LOG && OFF.test(env.KUKE_NO_DAEMON ?? '');
}

/** Mounts, network and processes that a path or a pid is looked up in; a line without its end. */
export function viewOfHost(): string {
  const spaces = ['mnt', 'net', 'pid'].map(name => linkAt(`/proc/self/ns/${name}`));
  return `kuke-cni 1 ${spaces.join(' ')} ${identityOf('/proc/self/root/')}`;
}

// Not by node:fs, which takes a millisecond to load: half of what there is to do here.
function linkAt(path: string): string {
  const target = new Uint8Array(64); // `mnt:[4026531840]`
  const size = checked('readlink', libc().readlink(cstring(path), target, target.length), path);
  return new TextDecoder().decode(target.subarray(0, size));
}

/** Device and inode of a file: statx(2), whose struct is the same on every architecture. */
function identityOf(path: string): string {
  const stat = new DataView(new ArrayBuffer(256));
  checked('statx', libc().statx(AT_FDCWD, cstring(path), 0, STATX_INO, new Uint8Array(stat.buffer)), path);
  const [inode, major, minor] = [stat.getBigUint64(32, true), stat.getUint32(136, true), stat.getUint32(140, true)];
  return `${major}:${minor}:${inode}`;
}

/**
 * The daemon's answer; undefined: it does not take the call, and nothing has been done. One that ends in the middle leaves the answer that the
 * runtime is to take the attachment down and try again.
 */
export function handOver(env: Environment, called: string, stdin: string): Answer | undefined {
  const fd = connected();
  if (fd === undefined) return undefined;
  let isHanded = false;
  try {
    if (lineFrom(fd, AT_ONCE_MS) !== viewOfHost()) return undefined;
    const own = Object.entries(env).flatMap(([name, value]) =>
      name.startsWith('CNI_') && value !== undefined ? [[name, value]] : [],
    );
    const call: HandedCall = { env: Object.fromEntries(own), called, stdin };
    const line = `${JSON.stringify(call)}\n`;
    isHanded = true;
    send(fd, line);
    const text = lineFrom(fd, PATIENCE_MS);
    return text === undefined ? lost(stdin) : (JSON.parse(text) as Answer);
  } catch {
    return isHanded ? lost(stdin) : undefined; // without /proc nothing can be said of the host
  } finally {
    close(fd);
  }
}

/** Before anything is handed over, what goes wrong is no failure. */
function connected(): number | undefined {
  const path = new TextEncoder().encode(CNI_SOCKET);
  const address = new Uint8Array(2 + path.length + 1); // struct sockaddr_un, little-endian as all that Bun runs on
  address[0] = AF_UNIX;
  address.set(path, 2);
  const fd = Number(libc().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd < 0) return undefined;
  limit(fd, SO_SNDTIMEO, AT_ONCE_MS); // connect(2) waits while the queue is full
  if (Number(libc().connect(fd, address, address.length)) === 0) return fd;
  close(fd);
  return undefined;
}

function limit(fd: number, option: number, ms: number): void {
  const timeval = new BigInt64Array([BigInt(Math.floor(ms / 1000)), BigInt((ms % 1000) * 1000)]);
  checked('setsockopt', libc().setsockopt(fd, SOL_SOCKET, option, new Uint8Array(timeval.buffer), 16));
}

function send(fd: number, text: string): void {
  limit(fd, SO_SNDTIMEO, PATIENCE_MS);
  const bytes = new TextEncoder().encode(text);
  for (let offset = 0; offset < bytes.length; ) {
    const rest = bytes.subarray(offset);
    offset += checked('send', libc().send(fd, rest, rest.length, MSG_NOSIGNAL));
  }
}

/** Without its end. Undefined: it did not come, or not in time. */
function lineFrom(fd: number, ms: number): string | undefined {
  limit(fd, SO_RCVTIMEO, ms);
  const decoder = new TextDecoder();
  const piece = new Uint8Array(16 << 10);
  let text = '';
  for (;;) {
    const size = Number(libc().recv(fd, piece, piece.length, 0));
    if (size <= 0) return undefined;
    text += decoder.decode(piece.subarray(0, size), { stream: true });
    if (piece[size - 1] === NEWLINE) return text.slice(0, -1);
  }
}

function lost(stdin: string): Answer {
  const { cniVersion } = JSON.parse(stdin) as { cniVersion?: string };
  const msg = 'kukeond, which was at it, has ended or does not answer';
  const details = 'delete the attachment, and try again: what it had made is found then';
  return { status: 1, text: JSON.stringify({ cniVersion: cniVersion ?? '1.1.0', code: 11, msg, details }) };
}
