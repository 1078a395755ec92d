/** Memory while much data passes through: Bun's collector counts little of what lies in buffers, and lets a lot of it gather. */
import { letGoOfProgram } from '../../../src/host/program-pages.ts';

/** Bytes that may pass until what they lay in is collected, which takes some 2 ms. */
const collectedAfter = 32 << 20;

/** To be told how many bytes have passed. */
export function keepSmall(): (bytes: number) => void {
  letGoOfProgram();
  let since = 0;
  return bytes => {
    since += bytes;
    if (since < collectedAfter) return;
    since = 0;
    Bun.gc(true);
  };
}
