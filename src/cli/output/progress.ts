/** Progress on stderr for who waits: one line that is rewritten, on a terminal only, and only once it takes long. */
import type { Progress } from '../../kernel/execute.ts';
import { printable } from './failure.ts';
import { colour, isTerminal, tell, tellPart } from './terminal.ts';

const SHOWN_AFTER_MS = 300;

export interface ProgressLine {
  show(event: Progress): void;
  notice(message: string): void;
  end(): void;
}

export function makeProgress(quiet: boolean): ProgressLine {
  const live = !quiet && isTerminal(2) && process.env.TERM !== 'dumb';
  const started = performance.now();
  let shown = false;
  const clear = (): void => {
    if (shown) tellPart('\r\u001b[K');
    shown = false;
  };
  return {
    show({ phase, resource, type, message }) {
      if (!live || performance.now() - started < SHOWN_AFTER_MS || phase === 'done' || phase === 'failed') return;
      clear();
      const line = printable(`${resource}: ${phase === 'undo' ? 'undo ' : ''}${type}${message ? `: ${message}` : ''}`);
      tellPart(colour('dim', line.slice(0, 100), 2));
      shown = true;
    },
    notice(message) {
      clear();
      tell(printable(message));
    },
    end: clear,
  };
}
