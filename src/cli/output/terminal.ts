/** What a person's terminal may be given: colour only there, and never with NO_COLOR (no-color.org). */
import { currentConsole } from '../console/console.ts';
import type { ColourMode } from '../global-flags.ts';

export const isTerminal = (fd: 0 | 1 | 2): boolean => currentConsole().isTerminal(fd);

const CODES = { green: 32, yellow: 33, red: 31, dim: 2, bold: 1 } as const;

/** What `--color` says. */
export function setColours(given: ColourMode): void {
  currentConsole().colours = given;
}

function hasColours(fd: 1 | 2): boolean {
  const { colours, env } = currentConsole();
  if (colours !== 'auto') return colours === 'always';
  return isTerminal(fd) && !env.NO_COLOR && env.TERM !== 'dumb';
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
  currentConsole().tell(text);
}
