/** A terminal's whole screen, drawn in place and given back as it was. */
import { bound, currentConsole } from '../console/console.ts';
import { write } from './standard-output.ts';
import { isTerminal } from './terminal.ts';

export interface Screen {
  size(): { columns: number; rows: number };
  /** The lines from the top; what does not fit is cut off. */
  draw(lines: readonly string[]): void;
  close(): void;
}

export interface ScreenEvents {
  /** `q`; `\u0003` for Ctrl-C. */
  key(key: string): void;
  resized(): void;
  /** Nobody types any more: the terminal has gone. */
  ended(): void;
}

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';

/** Standard output has to be a terminal. Keys come singly and unseen while it is open, where standard input is one, too. */
export function openScreen({ key, resized, ended }: ScreenEvents): Screen {
  const keyed = (bytes: Uint8Array): void => {
    // Arrows and their like are several bytes that begin with an escape, and no letters.
    const text = new TextDecoder().decode(bytes);
    if (!text.startsWith('\u001b')) for (const one of text) key(one);
  };
  const console = currentConsole();
  write(ENTER);
  const letGo = isTerminal(0) ? console.keys({ key: bound(keyed), ended: bound(ended) }) : () => {};
  const redraw = bound(resized);
  console.on('SIGWINCH', redraw);
  const size = () => console.size(1);
  return {
    size,
    draw(lines) {
      const { columns, rows } = size();
      const shown = lines.slice(0, rows).map(line => `${Bun.sliceAnsi(line, 0, columns)}\u001b[K`);
      write(`\u001b[H${shown.join('\r\n')}\u001b[J`);
    },
    close() {
      console.off('SIGWINCH', redraw);
      letGo();
      write(LEAVE);
    },
  };
}
