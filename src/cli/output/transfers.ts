/** Transfers on a terminal: lines that are drawn in place, ten times a second at most, and are gone at the end. */
import type { Transfer } from '../../kernel/backends/index.ts';
import { bound, currentConsole } from '../console/console.ts';
import { printable } from './printable.ts';
import { tellPart } from './terminal.ts';
import { type Shown, transferLines } from './transfer-lines.ts';

const REDRAWN_AFTER_MS = 100;
/** How long a message stays. */
const MESSAGE_MS = 5000;
/** Over which a rate is an average, more or less. */
const RATE_MS = 2000;

interface Tracked extends Shown {
  /** Since when nothing was counted for its rate. */
  since: number;
  counted: number;
}

export interface TransferView {
  show(transfer: Transfer): void;
  /** A line below the others. */
  message(text: string): void;
  /** Takes the lines away; what comes next draws them again. */
  clear(): void;
  end(): void;
}

interface Size {
  columns: number;
  rows: number;
}

const sizeOfTerminal = (): Size => currentConsole().size(2);

export function makeTransferView(shownAfterMs: number, sizeNow = sizeOfTerminal): TransferView {
  const all = new Map<string, Tracked>();
  let message = '';
  let messageUntil = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let nextAt = performance.now() + shownAfterMs;
  /** Columns of each line on the screen. */
  let drawn: number[] = [];
  let size: Size | undefined;
  const console = currentConsole();
  const resized = bound((): void => {
    size = sizeNow();
  });

  /** Back to where the first line begins; a terminal that has become narrower has broken the lines. */
  function back(columns: number): string {
    const rows = drawn.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
    drawn = [];
    return rows === 0 ? '' : `\r\u001b[${rows}A`;
  }

  function draw(): void {
    clearTimeout(timer);
    timer = undefined;
    nextAt = performance.now() + REDRAWN_AFTER_MS;
    if (size === undefined) {
      resized();
      console.on('SIGWINCH', resized);
    }
    const { columns = 80, rows = 24 } = size ?? {};
    if (performance.now() > messageUntil) message = '';
    const room = { columns: columns - 1, rows: rows - (message === '' ? 1 : 2) };
    const lines = transferLines([...all.values()], room);
    if (message !== '') lines.push(message.slice(0, room.columns));
    const start = back(columns);
    drawn = lines.map(line => line.length);
    tellPart(`${start}${lines.map(line => `${line}\u001b[K\n`).join('')}\u001b[J`);
  }

  function due(): void {
    const now = performance.now();
    if (now >= nextAt) draw();
    else timer ??= setTimeout(draw, nextAt - now);
  }

  function clear(): void {
    clearTimeout(timer);
    timer = undefined;
    if (drawn.length > 0) tellPart(`${back(size?.columns ?? 80)}\u001b[J`);
  }

  return {
    show(transfer) {
      const key = `${transfer.of} ${transfer.title}`;
      all.set(key, tracked(all.get(key), { ...transfer, of: printable(transfer.of) }, performance.now()));
      due();
    },
    message(text) {
      message = printable(text);
      messageUntil = performance.now() + MESSAGE_MS;
      if (all.size > 0) due();
    },
    clear,
    end() {
      clear();
      all.clear();
      console.off('SIGWINCH', resized);
      size = undefined;
    },
  };
}

function tracked(before: Tracked | undefined, transfer: Transfer, now: number): Tracked {
  if (before === undefined || before.state !== 'fetching') {
    return { ...transfer, rate: 0, since: now, counted: transfer.done };
  }
  const passed = now - before.since;
  // From one chunk to the next a rate means nothing.
  if (passed < REDRAWN_AFTER_MS) return { ...before, ...transfer };
  const lately = Math.max(0, ((transfer.done - before.counted) / passed) * 1000);
  const share = before.rate === 0 ? 1 : Math.min(1, passed / RATE_MS);
  const rate = before.rate + (lately - before.rate) * share;
  return { ...transfer, rate, since: now, counted: transfer.done };
}
