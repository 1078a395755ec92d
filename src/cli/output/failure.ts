/** Errors for people: on stderr, a line each. */
import type { KukeError } from '../../kernel/errors.ts';
import { colour } from './terminal.ts';

/** Control characters of a manifest's or a plugin's text must not reach the terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const unprintable = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

export function printable(text: string): string {
  return text.replace(unprintable, character => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

export function printFailure(error: KukeError): void {
  console.error(`${colour('red', 'error', 2)}: ${printable(error.summary)}`);
  for (const other of error.also) console.error(`  ${colour('red', 'also', 2)}: ${printable(other.summary)}`);
  if (process.env.KUKE_DEBUG) console.error(error.stack);
}
