import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { duration, type Shown, transferLine, transferLines } from '../../../src/cli/output/transfer-lines.ts';

const shown = (more: Partial<Shown> = {}): Shown => ({
  of: 'docker.io/library/nginx:alpine',
  title: 'layer 2 of 5',
  done: 12_300_000,
  total: 45_600_000,
  state: 'fetching',
  rate: 8_100_000,
  ...more,
});

describe('one line', () => {
  test('has a bar, bytes, rate and time left where there is room', () => {
    expect(transferLine(shown(), 90)).toMatch(
      /^ {2}layer 2 of 5 {2}█+[▏▎▍▌▋▊▉]?·+ {2}12\.3 MB of 45\.6 MB +8\.1 MB\/s +5s$/,
    );
    expect(transferLine(shown(), 60)).toMatch(/MB of 45\.6 MB/);
    expect(transferLine(shown(), 30)).toBe('  layer 2 of 5  12.3 MB of 45.');
  });

  test('says nothing of a rate that nobody knows yet', () => {
    expect(transferLine(shown({ rate: 0 }), 90)).toMatch(/45\.6 MB$/);
  });

  test.each(['waiting', 'fetched', 'unpacking', 'done', 'here already'] as const)('of what is %s', state => {
    expect(transferLine(shown({ state }), 90)).toStartWith(`  layer 2 of 5  ${state}`);
  });

  test('of nothing at all', () => {
    expect(transferLine(shown({ done: 0, total: 0 }), 90)).toContain('0 B of 0 B');
  });
});

const states = ['waiting', 'fetching', 'fetched', 'unpacking', 'done', 'here already'] as const;
const any = fc.record({
  of: fc.constantFrom('one', 'another'.repeat(20)),
  title: fc.constantFrom('layer 1 of 9', 'layer 10 of 99'),
  done: fc.nat(2 ** 31),
  total: fc.nat(2 ** 31),
  state: fc.constantFrom(...states),
  rate: fc.nat(2 ** 30),
});

test('whatever there is fits into columns and rows', () => {
  fc.assert(
    fc.property(
      fc.array(any, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 1, max: 30 }),
      (all, columns, rows) => {
        const lines = transferLines(all, { columns, rows });
        for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(columns);
        expect(lines.length).toBeLessThanOrEqual(Math.max(rows, 2));
      },
    ),
  );
});

test('what moves goes before what waits, where not all has room', () => {
  const all = Array.from({ length: 20 }, (_, at) =>
    shown({ title: `layer ${at + 1} of 20`, state: at === 17 ? 'fetching' : 'waiting' }),
  );
  const lines = transferLines(all, { columns: 90, rows: 6 });
  expect(lines).toHaveLength(6);
  expect(lines.join('\n')).toContain('layer 18 of 20');
  expect(lines.at(-1)).toBe('  and 16 more');
});

test.each([
  [0, '0s'],
  [4.2, '5s'],
  [65, '1m05s'],
  [7620, '2h07m'],
])('%d seconds are %s', (seconds, text) => expect(duration(seconds)).toBe(text));
