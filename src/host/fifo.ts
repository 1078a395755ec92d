/** FIFOs, by which programs that know each other only by name exchange bytes (fifo(7)). */
import { closeSync, constants, openSync } from 'node:fs';
import { type FlowPoint, ownPoint } from './byte-flow.ts';
import { checked, cstring, libc } from './libc.ts';

const F_SETPIPE_SZ = 1031;
const CAPACITY = 1 << 20; // what /proc/sys/fs/pipe-max-size is wherever nobody changed it
const { O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK } = constants;

/** The end of a FIFO that is ours. The other is somebody else's, who opens it in their own time: until then it is held open. */
export interface FifoEnd extends Disposable {
  /** The other one has opened it: from here on there is an end of file when they close it, and nobody to read when they are gone. */
  joined(): FlowPoint;
}

/** Makes a FIFO that only its owner can open; `direction` is what we do. Throws SystemError. */
export function makeFifo(path: string, direction: 'read' | 'write'): FifoEnd {
  checked('mkfifo', libc().mkfifo(cstring(path), 0o600), path);
  // Open for both, it never ends and is never without a reader.
  let held: number | undefined = openSync(path, O_RDWR | O_NONBLOCK);
  libc().fcntl(held, F_SETPIPE_SZ, CAPACITY); // a small one is slower, and no failure
  let point: FlowPoint | undefined;
  const letGo = () => {
    if (held !== undefined) closeSync(held);
    held = undefined;
  };
  return {
    joined() {
      point ??= ownPoint(openSync(`/proc/self/fd/${held}`, (direction === 'read' ? O_RDONLY : O_WRONLY) | O_NONBLOCK));
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
