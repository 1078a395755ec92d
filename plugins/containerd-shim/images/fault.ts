/** What is wrong with an image that somebody gave us, in words that are safe to print. */
import { type ErrorDetails, KukeError } from 'kuke/plugin';

const nameMax = 100;
const messageMax = 600;

/** Text from an archive, to stand in a sentence. */
export function quoted(text: string): string {
  return printable(JSON.stringify(shortened(text, nameMax)));
}

/** `where` names the part of the image: `manifest.json`, `layer 2 of 3`. Both may hold text from the image. */
export function invalidImage(
  where: string,
  fault: string,
  details: Pick<ErrorDetails, 'cause' | 'remedy'> = {},
): KukeError {
  return new KukeError('InvalidImage', printable(shortened(`${where}: ${fault}`, messageMax)), details);
}

function shortened(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max)}…` : text;
}

/** Without what moves the cursor, colours the terminal, or turns the direction of writing. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
