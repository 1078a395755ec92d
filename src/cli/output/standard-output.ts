/**
 * Standard output: all verbs write through here. What cannot be written is told once, at the end, for the rest of a command's work is not
 * to suffer from it; that a reader has heard enough (`| head -1`) is no failure. Neither console.log, which does not tell, nor
 * process.stdout, whose first touch costs 12 ms.
 */
import fs from 'node:fs';

let failure: unknown;
/** What a pipe that does not block had no room for. */
let waiting: Uint8Array[] = [];
let isUsed = false;

/** Writes a line, or several. */
export function print(text: string): void {
  write(`${text}\n`);
}

/** Without a line's end. */
export function write(text: string): void {
  isUsed = true;
  if (failure !== undefined) return;
  let rest: Uint8Array = new TextEncoder().encode(text);
  try {
    while (rest.length > 0 && waiting.length === 0) rest = rest.subarray(fs.writeSync(1, rest));
  } catch (thrown) {
    if (codeOf(thrown) !== 'EAGAIN') failure = thrown;
  }
  if (rest.length > 0) waiting.push(rest);
}

/** False once nothing can be written any more, as when the reader has gone. */
export const isHeard = (): boolean => failure === undefined;

/** For who goes on: waits until all that was written so far has been taken. */
export async function flushOutput(): Promise<void> {
  if (failure === undefined) await writeWaiting().catch(thrown => (failure = thrown));
  waiting = [];
}

/** Waits until all of it is written. Resolves to why it could not be: `No space left on device (ENOSPC)`; undefined when all is well. */
export async function endOutput(): Promise<string | undefined> {
  if (failure === undefined && isUsed) await writeWaiting().catch(thrown => (failure = thrown));
  const [ended, used] = [failure, isUsed];
  [failure, waiting, isUsed] = [undefined, [], false];
  if (ended === undefined) return used && isClosed() ? 'Bad file descriptor (EBADF)' : undefined;
  return codeOf(ended) === 'EPIPE' ? undefined : reason(ended);
}

async function writeWaiting(): Promise<void> {
  if (waiting.length === 0) return;
  const writer = Bun.stdout.writer();
  for (const bytes of waiting) writer.write(bytes);
  await writer.end();
}

/** Closed by the caller (`>&-`): Bun has put /dev/null in its place, closed on exec, as no descriptor that is inherited can be. */
function isClosed(): boolean {
  try {
    const flags = /^flags:\s*0*([0-7]+)$/m.exec(fs.readFileSync('/proc/self/fdinfo/1', 'utf8'))?.[1] ?? '0';
    return (Number.parseInt(flags, 8) & 0o2000000) !== 0;
  } catch {
    return false;
  }
}

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : undefined;
}

/** Bun says `ENOSPC: no space left on device, write`. */
function reason(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const [, code, said = ''] = /^(E[A-Z0-9]+): (.+), \w+$/.exec(message) ?? [];
  return code === undefined ? message : `${said.charAt(0).toUpperCase()}${said.slice(1)} (${code})`;
}
