/** A unified diff in colours, where there may be any. */
import { printable } from './printable.ts';
import { colour } from './terminal.ts';

export function colourDiff(patch: string): string {
  return printable(patch.trimEnd()).split('\n').map(colourLine).join('\n');
}

function colourLine(line: string): string {
  if (/^(---|\+\+\+) /.test(line)) return colour('bold', line);
  if (line.startsWith('@@')) return colour('dim', line);
  if (line.startsWith('+')) return colour('green', line);
  return line.startsWith('-') ? colour('red', line) : line;
}
