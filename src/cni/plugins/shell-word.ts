/** Quoting for the commands that a trace tells. */

/** One word of a POSIX shell command: left bare when nothing in it means anything to a shell, else in single quotes. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_/.,:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
