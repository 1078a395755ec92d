/** What a terminal shows while transfers are drawn in place. */
import { afterEach, beforeEach, expect, spyOn, test } from 'bun:test';
import fs from 'node:fs';
import { makeTransferView } from '../../../src/cli/output/transfers.ts';
import type { Transfer } from '../../../src/kernel/backends/index.ts';

/** Lines as a terminal has them, by what it was sent: text, returns, and `up`, `erase the line`, `erase below`. */
function shownBy(text: string): string[] {
  const lines = [''];
  let row = 0;
  let column = 0;
  for (const [piece, up] of text.replaceAll('\u001b[', '⎋').matchAll(/⎋(?:(\d+)A|K|J)|\r|\n|[^⎋\r\n]+/g)) {
    const line = lines[row] ?? '';
    if (up !== undefined) row -= Number(up);
    else if (piece === '\r') column = 0;
    else if (piece === '\n') [row, column] = [row + 1, 0];
    else if (piece === '⎋K') lines[row] = line.slice(0, column);
    else if (piece === '⎋J') lines.splice(row, lines.length - row, line.slice(0, column));
    else {
      lines[row] = line.slice(0, column).padEnd(column) + piece + line.slice(column + piece.length);
      column += piece.length;
    }
    lines[row] ??= '';
  }
  return lines.filter(line => line !== '');
}

let sent: string;
let spy: { mockRestore(): void };
beforeEach(() => {
  sent = '';
  spy = spyOn(fs, 'writeSync').mockImplementation((_: number, data: unknown) => {
    sent += String(data);
    return String(data).length;
  });
});
afterEach(() => spy.mockRestore());

const layer = (at: number, done: number, state: Transfer['state'] = 'fetching'): Transfer => ({
  of: 'image:1',
  title: `layer ${at} of 3`,
  done,
  total: 1000,
  state,
});

test('lines are drawn over one another, come again after a message between them, and are gone at the end', async () => {
  const view = makeTransferView(0, () => ({ columns: 80, rows: 24 }));
  const draw = async (...transfers: Transfer[]) => {
    for (const transfer of transfers) view.show(transfer);
    await Bun.sleep(150);
  };
  await draw(layer(1, 100), layer(2, 0, 'waiting'), layer(3, 0, 'waiting'));
  expect(shownBy(sent)).toEqual([
    'image:1',
    expect.stringMatching(/^ {2}layer 1 of 3 {2}\S+ {2}100 B of 1\.0 kB/),
    '  layer 2 of 3  waiting',
    '  layer 3 of 3  waiting',
  ]);
  await draw(layer(1, 1000, 'done'), layer(2, 500));
  expect(shownBy(sent)).toHaveLength(4);
  expect(shownBy(sent)[1]).toBe('  layer 1 of 3  done  1.0 kB');
  view.message('again in 2 s: too many requests');
  await draw(layer(2, 600));
  expect(shownBy(sent).at(-1)).toBe('again in 2 s: too many requests');
  view.clear();
  expect(shownBy(sent)).toEqual([]);
  sent += 'a notice\n';
  await draw(layer(2, 700));
  expect(shownBy(sent).slice(0, 2)).toEqual(['a notice', 'image:1']);
  view.end();
  expect(shownBy(sent)).toEqual(['a notice']);
  await Bun.sleep(150);
  expect(shownBy(sent)).toEqual(['a notice']);
});

test('what ends before it would be shown is not shown', async () => {
  const view = makeTransferView(60_000, () => ({ columns: 80, rows: 24 }));
  view.show(layer(1, 10));
  view.end();
  await Bun.sleep(10);
  expect(sent).toBe('');
});
