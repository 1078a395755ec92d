/** A name for a cell that its user gave none: what runs in it, and three syllables: `nginx-bovuta`. */
import { NAME_MAX } from '../../kernel/names.ts';

const CONSONANTS = 'bdfgklmnprstvz';
const VOWELS = 'aeiou';
const SYLLABLES = 3;
const ENDING = 1 + 2 * SYLLABLES;

/** `random` gives bytes: a test has others than chance. */
export function cellNameFor(image: string, random: (count: number) => Uint8Array = randomBytes): string {
  const repository = image.replace(/@.*$/, '').replace(/^.*\//, '').replace(/:.*$/, '');
  const words = repository.split(/[^A-Za-z0-9]+/).filter(Boolean);
  const base =
    words
      .join('-')
      .slice(0, NAME_MAX - ENDING)
      .replace(/-$/, '') || 'cell';
  const letters = [...random(2 * SYLLABLES)].map((byte, index) => {
    const from = index % 2 === 0 ? CONSONANTS : VOWELS;
    return from[byte % from.length];
  });
  return `${base}-${letters.join('')}`;
}

const randomBytes = (count: number) => crypto.getRandomValues(new Uint8Array(count));
