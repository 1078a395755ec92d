/** Errors for people: on stderr, a line each. */
import type { KukeError } from '../../kernel/errors.ts';
import { currentConsole } from '../console/console.ts';
import { log } from './log.ts';
import { printable } from './printable.ts';
import { colour, tell } from './terminal.ts';

/** What the others have to say that the first has said already is left out: what to do next. */
export function printFailure(error: KukeError): void {
  tellError(error.summary);
  for (const other of error.also) {
    const text = other.remedy === error.remedy ? other.fault : other.summary;
    tell(`  ${colour('red', 'also', 2)}: ${printable(text)}`);
  }
  if (currentConsole().env.KUKE_DEBUG) tell(error.stack ?? '');
}

export function tellError(message: string): void {
  log.error(message);
}

export function warn(message: string): void {
  log.warn(message);
}
