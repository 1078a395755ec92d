/** Progress on stderr for who waits: one line that is rewritten, on a terminal and once it takes long; with --verbose a line a step. */
import type { Progress } from '../../kernel/execute.ts';
import { isVerbose, log } from './log.ts';
import { printable } from './printable.ts';
import { colour, isTerminal, tellPart } from './terminal.ts';

const SHOWN_AFTER_MS = 300;

export interface ProgressLine {
  show(event: Progress): void;
  notice(message: string): void;
  end(): void;
}

export function makeProgress(quiet: boolean): ProgressLine {
  const live = !quiet && !isVerbose() && isTerminal(2) && process.env.TERM !== 'dumb';
  const started = performance.now();
  let shown = false;
  const clear = (): void => {
    if (shown) tellPart('\r\u001b[K');
    shown = false;
  };
  return {
    show({ phase, resource, type, message }) {
      if (isVerbose()) log.debug(`${resource}: ${type}: ${message ?? phase}`);
      if (!live || performance.now() - started < SHOWN_AFTER_MS || phase === 'done' || phase === 'failed') return;
      clear();
      const line = printable(`${resource}: ${phase === 'undo' ? 'undo ' : ''}${type}${message ? `: ${message}` : ''}`);
      tellPart(colour('dim', line.slice(0, 100), 2));
      shown = true;
    },
    notice(message) {
      clear();
      log.info(message);
    },
    end: clear,
  };
}
