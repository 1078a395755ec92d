/**
 * What kuke tells a person, on stderr, a line each, by level: errors, warnings and notices always, each step of what is done with
 * --verbose. By consola's core alone: its reporters and prompts cost 12 ms at start, and on a terminal of 0 columns print a character a
 * line.
 */
import { createConsola, LogLevels, type LogObject } from 'consola/core';
import { currentConsole } from '../console/console.ts';
import { printable } from './printable.ts';
import { colour, tell } from './terminal.ts';

export const log = createConsola({
  level: LogLevels.debug,
  // Nobody's message is held back because it was said before.
  throttle: 0,
  reporters: [
    {
      log(entry) {
        if (entry.level < LogLevels.debug || isVerbose()) tell(lineOf(entry));
      },
    },
  ],
});

/** From here on the steps of what is done are told too. */
export function beVerbose(): void {
  currentConsole().isVerbose = true;
}

export const isVerbose = (): boolean => currentConsole().isVerbose;

function lineOf({ type, args }: LogObject): string {
  const text = printable(args.map(String).join(' '));
  switch (type) {
    case 'error':
      return `${colour('red', 'error', 2)}: ${text}`;
    case 'warn':
      return `warning: ${text}`;
    case 'debug':
      return colour('dim', text, 2);
    default:
      return text;
  }
}
