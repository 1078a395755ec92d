/** Quoting for the commands that `explain` gives. */

/** One word of a POSIX shell command: left bare when nothing in it means anything to a shell, else in single quotes. */
export function shellQuote(word: string): string {
  return /^[A-Za-z0-9_/.,:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command line: `shellCommand('ip', 'netns', 'add', name)`. */
export function shellCommand(...words: string[]): string {
  return words.map(shellQuote).join(' ');
}
