/** A pipe within this process: what is written into one descriptor is read from the other. pipe(7) */
import { closeSync } from 'node:fs';
import { flowPoint, readPiece as readFrom } from './byte-flow.ts';
import { checked, libc } from './libc.ts';

const O_CLOEXEC = 0o2000000;

export interface PipeEnd {
  readonly fd: number;
  /** Done twice, it does nothing. */
  close(): void;
}

/** Both ends block, as descriptors 0 to 2 of a program do: `readPiece` and `writeBytes` are for that. Throws SystemError. */
export function makePipe(): { reading: PipeEnd; writing: PipeEnd } {
  const ends = new Int32Array(2);
  checked('pipe2', libc().pipe2(ends, O_CLOEXEC));
  const [reading = -1, writing = -1] = ends;
  return { reading: pipeEnd(reading), writing: pipeEnd(writing) };
}

function pipeEnd(fd: number): PipeEnd {
  let isOpen = true;
  return {
    fd,
    close() {
      if (isOpen) closeSync(fd);
      isOpen = false;
    },
  };
}

/** The next that comes, at most so much of it, without holding up the event loop. Undefined: that was all, or no more is wanted. */
export async function readPiece(fd: number, most: number, until?: AbortSignal): Promise<Uint8Array | undefined> {
  using from = flowPoint(fd, 'read');
  return await readFrom(from, most, until);
}
