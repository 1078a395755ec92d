/** Bytes from one descriptor to another, in the event loop: from and to pipes, FIFOs, terminals, sockets and files; nothing of it blocks. */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { hasCode } from './errno.ts';
import { asSystemError } from './libc.ts';
import { ready } from './readable.ts';

const PIECE = 64 * 1024;
/** What a pipe or a socket that says it can be written takes without blocking (PIPE_BUF, pipe(7)). */
const SMALL_PIECE = 4096;
/** After so many pieces without a wait, others have their turn. */
const PIECES_A_TURN = 16;

/** `ended`: `from` has. `unread`: nobody reads `to` any more. `stopped`: while it waited for more. */
export type FlowEnd = 'ended' | 'unread' | 'stopped';

export interface FlowOptions {
  /** Aborting it stops the flow while it waits for more, and loses nothing. */
  until?: AbortSignal | undefined;
  /** In milliseconds: how long it waits for more, in all. */
  patienceMs?: number;
  /** Aborting it stops the flow also while it waits for `to`; what has been read is lost then. */
  cut?: AbortSignal;
  /** Stops when so many bytes have been read, or a little more. */
  most?: number;
  /** What is read goes nowhere. */
  discards?: boolean;
}

/** One end of a flow. What several programs share (a terminal, a pipe) is opened anew where that can be, so that it blocks as before for them. */
export interface FlowPoint extends Disposable {
  readonly fd: number;
  /** It can block: it is asked before each use, and given little. */
  readonly blocks: boolean;
  /** What errors call it. */
  readonly name: string;
}

const STANDARD = ['standard input', 'standard output', 'standard error'];
const nameOf = (fd: number): string => STANDARD[fd] ?? `fd ${fd}`;

/** A point for a descriptor that blocks: standard input, standard output. */
export function flowPoint(fd: number, direction: 'read' | 'write'): FlowPoint {
  const stat = fstatSync(fd);
  const asItIs = { fd, name: nameOf(fd), [Symbol.dispose]() {} };
  if (stat.isFile()) return { ...asItIs, blocks: false };
  if (stat.isFIFO() || stat.isCharacterDevice()) {
    const access = direction === 'read' ? constants.O_RDONLY : constants.O_WRONLY;
    try {
      const own = openSync(`/proc/self/fd/${fd}`, access | constants.O_NONBLOCK | constants.O_NOCTTY);
      return ownPoint(own, nameOf(fd));
    } catch {
      // Nobody reads it, or it is a terminal of somebody else's: then as it is.
    }
  }
  return { ...asItIs, blocks: true };
}

/** A point for a descriptor of one's own, open with O_NONBLOCK; it is closed with the point. */
export function ownPoint(fd: number, name = nameOf(fd)): FlowPoint {
  return { fd, blocks: false, name, [Symbol.dispose]: () => closeSync(fd) };
}

/** Copies until the end of `from`. Throws SystemError for what neither end is to do (ENOSPC, EIO on a disk). */
export async function flow(
  from: FlowPoint,
  to: FlowPoint,
  { cut, until = cut, patienceMs, most = Number.POSITIVE_INFINITY, discards = false }: FlowOptions = {},
): Promise<FlowEnd> {
  const buffer = new Uint8Array(PIECE);
  let copied = 0;
  let waited = 0;
  const hasStopped = async (): Promise<boolean> => {
    const limit = patienceMs === undefined ? [] : [AbortSignal.timeout(Math.max(0, Math.ceil(patienceMs - waited)))];
    const since = performance.now();
    const signals = [...limit, ...(until === undefined ? [] : [until])];
    const hasEnded = await stopped(from.fd, signals.length > 1 ? AbortSignal.any(signals) : signals[0]);
    waited += performance.now() - since;
    return hasEnded;
  };
  for (let piece = 1; copied < most; piece++) {
    if (piece % PIECES_A_TURN === 0) await new Promise(setImmediate);
    if (from.blocks && (await hasStopped())) return 'stopped';
    const length = read(from, buffer);
    if (length === 'wait') {
      if (await hasStopped()) return 'stopped';
    } else if (length === 0) return 'ended';
    else if (!discards) {
      const end = await writeAll(to, buffer.subarray(0, length), cut);
      if (end !== undefined) return end;
    }
    if (length !== 'wait') copied += length;
  }
  return 'stopped';
}

/** The next that comes, at most so much of it. Undefined: that was all, or the signal has said that no more is wanted. */
export async function readPiece(from: FlowPoint, most: number, until?: AbortSignal): Promise<Uint8Array | undefined> {
  const buffer = new Uint8Array(Math.min(most, PIECE));
  for (;;) {
    if (until?.aborted || (from.blocks && (await stopped(from.fd, until)))) return undefined;
    const length = read(from, buffer);
    if (length !== 'wait') return length === 0 ? undefined : buffer.subarray(0, length);
    if (await stopped(from.fd, until)) return undefined;
  }
}

async function stopped(
  fd: number,
  signal: AbortSignal | undefined,
  direction: 'read' | 'write' = 'read',
): Promise<boolean> {
  try {
    await ready(fd, direction, signal);
    return false;
  } catch (error) {
    if (signal?.aborted) return true;
    throw error;
  }
}

function read({ fd, name }: FlowPoint, buffer: Uint8Array): number | 'wait' {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    if (hasCode(error, 'EAGAIN')) return 'wait';
    // A terminal that is gone; a socket whose other side is.
    if (hasCode(error, 'EIO', 'ECONNRESET')) return 0;
    throw asSystemError(error, name);
  }
}

/** Writes all of it, at the reader's pace, and without holding up the event loop. False: nobody reads it any more. Throws SystemError. */
export async function writeBytes(fd: number, bytes: Uint8Array): Promise<boolean> {
  using to = flowPoint(fd, 'write');
  return (await writeAll(to, bytes, undefined)) === undefined;
}

/** Undefined: all is written. */
async function writeAll(
  { fd, blocks, name }: FlowPoint,
  bytes: Uint8Array,
  cut: AbortSignal | undefined,
): Promise<'unread' | 'stopped' | undefined> {
  let rest = bytes;
  let waits = blocks;
  while (rest.length > 0) {
    if (waits && (await stopped(fd, cut, 'write'))) return 'stopped';
    waits = blocks;
    try {
      rest = rest.subarray(writeSync(fd, blocks ? rest.subarray(0, SMALL_PIECE) : rest));
    } catch (error) {
      if (isUnread(error, fd)) return 'unread';
      if (!hasCode(error, 'EAGAIN')) throw asSystemError(error, name);
      waits = true;
    }
  }
  return undefined;
}

/** EIO: of a terminal that is gone. */
const isUnread = (error: unknown, fd: number): boolean =>
  hasCode(error, 'EPIPE', 'ECONNRESET') || (hasCode(error, 'EIO') && !fstatSync(fd).isFile());
