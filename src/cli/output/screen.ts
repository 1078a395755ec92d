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
  /** `q`; `\u0003` for Ctrl-C; `up`, `pageDown` and the like. */
  key(key: string): void;
  resized(): void;
  /** Nobody types any more: the terminal has gone. */
  ended(): void;
}

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';

/** What terminals send for them, in either of their modes (ctlseqs of xterm: "PC-Style Function Keys"). */
const NAMED: Readonly<Record<string, string>> = {
  A: 'up',
  B: 'down',
  H: 'home',
  F: 'end',
  '1~': 'home',
  '4~': 'end',
  '5~': 'pageUp',
  '6~': 'pageDown',
};

/** A key that is held down comes several times at once. Those of several bytes that have no name here are nothing, and no letters. */
export function keysIn(text: string): string[] {
  const [plain = '', ...sequences] = text.split('\u001b');
  const named = sequences.flatMap(sequence => {
    const [, code = '', rest = sequence.slice(1)] = /^[[O]([\d;]*[A-Za-z~])(.*)$/s.exec(sequence) ?? [];
    return [...(Object.hasOwn(NAMED, code) ? [NAMED[code] ?? ''] : []), ...rest];
  });
  return [...plain, ...named];
}

/** Standard output has to be a terminal. Keys come singly and unseen while it is open, where standard input is one, too. */
export function openScreen({ key, resized, ended }: ScreenEvents): Screen {
  const keyed = (bytes: Uint8Array): void => {
    for (const one of keysIn(new TextDecoder().decode(bytes))) key(one);
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
