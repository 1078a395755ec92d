/** Pages of docs/ whose commands a test types in. */

export interface Typed {
  command: string;
  /** Lines of its output, in this order; others may stand between. */
  shown: string[];
}

/** In blocks that are indented by four: `$ ` begins a command, `<< 'END'` takes what follows for its input. */
export function typedIn(page: string): Typed[] {
  const typed: Typed[] = [];
  let isInput = false;
  for (const line of page.split('\n')) {
    const text = line.slice(4);
    const last = typed.at(-1);
    if (isInput && last !== undefined) {
      last.command += `\n${text}`;
      isInput = text !== 'END';
    } else if (!line.startsWith('    ')) continue;
    else if (text.startsWith('$ ')) {
      typed.push({ command: text.slice(2), shown: [] });
      isInput = text.endsWith("<< 'END'");
    } else last?.shown.push(text);
  }
  return typed;
}

/** Of the first shown line that the output has not; undefined: all are there. Tables may be wider. */
export function missing(shown: string[], output: string): string | undefined {
  const plain = (line: string) => line.trimEnd().replaceAll(/ {2,}/g, '  ');
  const lines = output.split('\n').map(plain);
  let from = 0;
  return shown.find(line => {
    const at = lines.findIndex((one, index) => index >= from && one.startsWith(plain(line)));
    from = at + 1;
    return at < 0;
  });
}
