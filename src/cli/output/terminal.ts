/** What a person's terminal may be given: colour only there, and never with NO_COLOR (no-color.org). */
import fs from 'node:fs';
import { isatty } from 'node:tty';
import type { ColourMode } from '../global-flags.ts';

/** `process.stdout.isTTY` would cost 12 ms at its first touch. */
export const isTerminal = (fd: 0 | 1 | 2): boolean => isatty(fd);

const CODES = { green: 32, yellow: 33, red: 31, dim: 2, bold: 1 } as const;

let mode: ColourMode = 'auto';

/** What `--color` says. */
export function setColours(given: ColourMode): void {
  mode = given;
}

function hasColours(fd: 1 | 2): boolean {
  if (mode !== 'auto') return mode === 'always';
  return isTerminal(fd) && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
}

export function colour(name: keyof typeof CODES, text: string, fd: 1 | 2 = 1): string {
  if (!hasColours(fd)) return text;
  return `\u001b[${CODES[name]}m${text}\u001b[0m`;
}

/** A line on stderr. Bun's `console.error` makes all of it red where it takes stderr for a terminal. */
export function tell(line: string): void {
  tellPart(`${line}\n`);
}

/** Without a line's end. Who does not listen any more is no failure. */
export function tellPart(text: string): void {
  try {
    fs.writeSync(2, text);
  } catch {}
}
