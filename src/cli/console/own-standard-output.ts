/** The process's own standard output: neither console.log, which does not tell of failures, nor process.stdout, whose first touch costs 12 ms. */
import fs from 'node:fs';
import { isClosedByCaller } from '../../daemon/console/descriptor.ts';
import type { Output } from './console.ts';

let failure: unknown;
/** What a pipe that does not block had no room for. */
let waiting: Uint8Array[] = [];
let isUsed = false;

export const ownOutput: Output = {
  write(text) {
    isUsed = true;
    if (failure !== undefined) return;
    let rest: Uint8Array = new TextEncoder().encode(text);
    try {
      while (rest.length > 0 && waiting.length === 0) rest = rest.subarray(fs.writeSync(1, rest));
    } catch (thrown) {
      if (codeOf(thrown) !== 'EAGAIN') failure = thrown;
    }
    if (rest.length > 0) waiting.push(rest);
  },
  isHeard: () => failure === undefined,
  async flush() {
    if (failure === undefined) await writeWaiting().catch(thrown => (failure = thrown));
    waiting = [];
  },
  async end() {
    if (failure === undefined && isUsed) await writeWaiting().catch(thrown => (failure = thrown));
    const [ended, used] = [failure, isUsed];
    [failure, waiting, isUsed] = [undefined, [], false];
    if (ended === undefined) return used && isClosedByCaller(1) ? 'Bad file descriptor (EBADF)' : undefined;
    return codeOf(ended) === 'EPIPE' ? undefined : reason(ended);
  },
};

async function writeWaiting(): Promise<void> {
  if (waiting.length === 0) return;
  const writer = Bun.stdout.writer();
  for (const bytes of waiting) writer.write(bytes);
  await writer.end();
}

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : undefined;
}

/** Bun says `ENOSPC: no space left on device, write`, and `ENOENT: no such file or directory, open '/x'`. */
export function reason(thrown: unknown): string {
  const message = isFault(thrown) ? thrown.message : String(thrown);
  const [, code, said = ''] = /^(E[A-Z0-9]+): (.+), \w+(?: '.*')?$/s.exec(message) ?? [];
  return code === undefined ? message : `${said.charAt(0).toUpperCase()}${said.slice(1)} (${code})`;
}

const isFault = (thrown: unknown): thrown is { message: string } =>
  typeof thrown === 'object' && thrown !== null && 'message' in thrown;
