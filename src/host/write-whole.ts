/** Writing all of something, or failing: on a disk that is about to be full, write(2) takes a part, and says nothing but how much. */
import { writeSync } from 'node:fs';

/** To where the descriptor stands. Throws as node:fs does: ENOSPC, EDQUOT, EFBIG; a part of it may be written then. */
export function writeWhole(fd: number, data: string | Uint8Array): void {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
}
