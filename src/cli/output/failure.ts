/** Errors for people: on stderr, a line each. */
import type { KukeError } from '../../kernel/errors.ts';
import { currentConsole } from '../console/console.ts';
import { log } from './log.ts';
import { printable } from './printable.ts';
import { colour, tell } from './terminal.ts';

/** What the others have to say that has been said already is left out: what to do next, and the same again. */
export function printFailure(error: KukeError): void {
  tellError(error.summary);
  const others = error.also.map(other => (other.remedy === error.remedy ? other.fault : other.summary));
  for (const text of new Set(others)) tell(`  ${colour('red', 'also', 2)}: ${printable(text)}`);
  if (currentConsole().env.KUKE_DEBUG) tell(error.stack ?? '');
}

export function tellError(message: string): void {
  log.error(message);
}

export function warn(message: string): void {
  log.warn(message);
}
