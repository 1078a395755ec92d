/** FIFOs, by which programs that know each other only by name exchange bytes (fifo(7)). */
import { closeSync, constants, open, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { type FlowPoint, ownPoint } from './byte-flow.ts';
import { checked, cstring, libc } from './libc.ts';

const F_SETFL = 4;
const F_SETPIPE_SZ = 1031;
const CAPACITY = 1 << 20; // what /proc/sys/fs/pipe-max-size is wherever nobody changed it
const { O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK } = constants;
const O_PATH = 0o10000000;

/** The end of a FIFO that we read. The other is somebody else's, who opens it in their own time: until then it is held open. */
export interface ReadEnd extends Disposable {
  /** The other one has opened it: from here on there is an end of file when they close it. */
  joined(): FlowPoint;
}

/** The end of a FIFO that we write. */
export interface WriteEnd extends Disposable {
  /** When somebody reads it. Undefined: the signal was first. */
  joined(until?: AbortSignal): Promise<FlowPoint | undefined>;
}

/** Makes a FIFO that only its owner can open. Throws SystemError, as does the next. */
export function fifoToRead(path: string): ReadEnd {
  makeFifo(path);
  // Open for both, it never ends.
  let held: number | undefined = openSync(path, O_RDWR | O_NONBLOCK);
  enlarge(held);
  let point: FlowPoint | undefined;
  const letGo = () => {
    if (held !== undefined) closeSync(held);
    held = undefined;
  };
  return {
    joined() {
      point ??= ownPoint(openSync(`/proc/self/fd/${held}`, O_RDONLY | O_NONBLOCK));
      letGo();
      return point;
    },
    [Symbol.dispose]() {
      letGo();
      point?.[Symbol.dispose]();
      point = undefined;
    },
  };
}

/** What is written before anybody reads would be gone with our end, and a reader that comes later would wait for good: so nothing is. */
export function fifoToWrite(path: string): WriteEnd {
  makeFifo(path);
  let held: number | undefined = openSync(path, O_PATH);
  const name = `/proc/self/fd/${held}`;
  let point: FlowPoint | undefined;
  return {
    async joined(until) {
      const ours = await openForReader(name, until);
      if (ours === undefined) return undefined;
      libc().fcntl(ours, F_SETFL, O_NONBLOCK);
      enlarge(ours);
      point = ownPoint(ours);
      return point;
    },
    [Symbol.dispose]() {
      if (held !== undefined) closeSync(held);
      held = undefined;
      point?.[Symbol.dispose]();
      point = undefined;
    },
  };
}

function makeFifo(path: string): void {
  checked('mkfifo', libc().mkfifo(cstring(path), 0o600), path);
}

function enlarge(fd: number): void {
  libc().fcntl(fd, F_SETPIPE_SZ, CAPACITY); // a small one is slower, and no failure
}

/** In a thread of its own open(2) waits for a reader; one of our own lets it go where the signal is first. */
async function openForReader(name: string, until: AbortSignal | undefined): Promise<number | undefined> {
  let reader: number | undefined;
  const letGo = () => {
    reader = openSync(name, O_RDONLY | O_NONBLOCK);
  };
  if (until?.aborted) return undefined;
  until?.addEventListener('abort', letGo, { once: true });
  try {
    const fd = await promisify(open)(name, O_WRONLY);
    if (reader === undefined) return fd;
    closeSync(fd);
    return undefined;
  } finally {
    until?.removeEventListener('abort', letGo);
    if (reader !== undefined) closeSync(reader);
  }
}
