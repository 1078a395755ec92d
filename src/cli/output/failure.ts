/** Errors for people: on stderr, a line each. */
import type { KukeError } from '../../kernel/errors.ts';
import { colour, tell } from './terminal.ts';

/** Control characters, and those that turn the direction of what follows: a manifest's or a plugin's text must not steer the terminal. */
const unprintable = /[^\P{C}\n\t]|[\u2028\u2029]/gu;

export function printable(text: string): string {
  return text.replace(unprintable, escaped);
}

function escaped(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16);
  return code.length > 2 ? `\\u{${code}}` : `\\x${code.padStart(2, '0')}`;
}

/** What the others have to say that the first has said already is left out: what to do next. */
export function printFailure(error: KukeError): void {
  tellError(error.summary);
  for (const other of error.also) {
    const text = other.remedy === error.remedy ? other.fault : other.summary;
    tell(`  ${colour('red', 'also', 2)}: ${printable(text)}`);
  }
  if (process.env.KUKE_DEBUG) tell(error.stack ?? '');
}

export function tellError(message: string): void {
  tell(`${colour('red', 'error', 2)}: ${printable(message)}`);
}

export function warn(message: string): void {
  tell(`warning: ${printable(message)}`);
}
