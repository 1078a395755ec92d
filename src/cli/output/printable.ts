/** Control characters, and those that turn the direction of what follows: a manifest's or a plugin's text must not steer the terminal. */
const unprintable = /[^\P{C}\n\t]|[\u2028\u2029]/gu;

export function printable(text: string): string {
  return text.replace(unprintable, escaped);
}

function escaped(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16);
  return code.length > 2 ? `\\u{${code}}` : `\\x${code.padStart(2, '0')}`;
}
