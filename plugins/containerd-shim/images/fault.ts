/** What is wrong with an image that somebody gave us, in words that are safe to print. */
import { KukeError } from 'kuke/plugin';

/** Text from an archive, for an error message: control characters escaped, and not longer than a line. */
export function quoted(text: string): string {
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  return JSON.stringify(shown).replace(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, escaped);
}

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** `where` names the part of the image: `manifest.json`, `layer 2 of docker.io/library/nginx:latest`. */
export function invalidImage(where: string, fault: string, cause?: unknown): KukeError {
  return new KukeError('InvalidImage', `${where}: ${fault}`, cause === undefined ? {} : { cause });
}
