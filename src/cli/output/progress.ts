/**
 * Progress on stderr for who waits: on a terminal, once it takes long, one line that is rewritten, and a line for each part of a transfer;
 * elsewhere a line for each part of a transfer that has ended. With --verbose a line a step.
 */
import type { Progress } from '../../kernel/execute.ts';
import { bound, currentConsole } from '../console/console.ts';
import { bytes } from './bytes.ts';
import { isVerbose, log } from './log.ts';
import { printable } from './printable.ts';
import { colour, isTerminal, tellPart } from './terminal.ts';
import { makeTransferView } from './transfers.ts';

const SHOWN_AFTER_MS = 300;

export interface ProgressLine {
  show(event: Progress): void;
  notice(message: string): void;
  end(): void;
}

export function makeProgress(quiet: boolean): ProgressLine {
  const live = !quiet && !isVerbose() && isTerminal(2) && currentConsole().env.TERM !== 'dumb';
  const started = performance.now();
  const view = live ? makeTransferView(SHOWN_AFTER_MS) : undefined;
  /** Steps that have told of transfers: what else they say stays on the screen with those. */
  const transferring = new Set<string>();
  let shown = false;
  const clear = (): void => {
    if (shown) tellPart('\r\u001b[K');
    shown = false;
    view?.clear();
  };

  function showTransfer({ resource, type, message = '', transfer }: Progress): boolean {
    const step = `${resource} ${type}`;
    if (transfer !== undefined) transferring.add(step);
    if (!transferring.has(step)) return false;
    if (view === undefined) tellTransfer(message, transfer);
    else if (transfer === undefined) view.message(message);
    else {
      if (shown) clear();
      view.show(transfer);
    }
    return true;
  }

  function tellTransfer(message: string, transfer: Progress['transfer']): void {
    if (quiet || isVerbose()) return;
    if (transfer === undefined) {
      log.info(message);
      return;
    }
    const { of, title, total, state } = transfer;
    if (state === 'fetched' || state === 'here already') log.info(`${of}: ${title}: ${state}, ${bytes(total)}`);
  }

  // Told by whoever has news, another command's connection say.
  return {
    show: bound(event => {
      const { phase, resource, type, message, transfer } = event;
      if (isVerbose() && transfer?.state !== 'fetching') log.debug(`${resource}: ${type}: ${message ?? phase}`);
      if (phase === 'done' || phase === 'failed') {
        if (transferring.delete(`${resource} ${type}`) && transferring.size === 0) view?.end();
        return;
      }
      if (phase === 'progress' && showTransfer(event)) return;
      if (!live || transferring.size > 0 || performance.now() - started < SHOWN_AFTER_MS) return;
      clear();
      const line = printable(`${resource}: ${phase === 'undo' ? 'undo ' : ''}${type}${message ? `: ${message}` : ''}`);
      tellPart(colour('dim', line.slice(0, 100), 2));
      shown = true;
    }),
    notice: bound(message => {
      clear();
      log.info(message);
    }),
    end() {
      clear();
      view?.end();
    },
  };
}
