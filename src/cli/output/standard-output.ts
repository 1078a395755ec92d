/**
 * Standard output: all verbs write through here. What cannot be written is told once, at the end, for the rest of a command's work is not
 * to suffer from it; that a reader has heard enough (`| head -1`) is no failure.
 */
import { currentConsole } from '../console/console.ts';

/** Writes a line, or several. */
export function print(text: string): void {
  write(`${text}\n`);
}

/** Without a line's end. */
export function write(text: string): void {
  currentConsole().output.write(text);
}

/** False once nothing can be written any more, as when the reader has gone. */
export const isHeard = (): boolean => currentConsole().output.isHeard();

/** For who goes on: waits until all that was written so far has been taken. */
export const flushOutput = (): Promise<void> => currentConsole().output.flush();

/** Waits until all of it is written. Resolves to why it could not be: `No space left on device (ENOSPC)`; undefined when all is well. */
export const endOutput = (): Promise<string | undefined> => currentConsole().output.end();
