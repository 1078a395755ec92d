/** What a bench says of its samples. */
import { describe, expect, test } from 'bun:test';
import { plot } from '../../../bench/plot.ts';
import { format, inTurn, median, quantile, type Table, verdicts } from '../../../bench/table.ts';

const table: Table = {
  title: 'A pod <up>',
  unit: 'ms',
  rows: [
    {
      what: 'kuke',
      samples: [30, 10, 20],
      against: [
        { what: 'ctr', most: 0.6 },
        { what: 'podman', most: 0.05 },
      ],
    },
    { what: 'ctr', samples: [40, 40, 40] },
    { what: 'podman', samples: [200, 200, 200] },
  ],
};

test('the median is of the sorted samples', () => {
  expect(median([30, 10, 20])).toBe(20);
  expect(quantile([5, 1, 4, 2, 3, 6, 7, 8, 9, 10], 0.9)).toBe(10);
  expect(median([])).toBeNaN();
});

describe('goals', () => {
  test('are ratios of medians, each reached or not', () => {
    const [kuke] = table.rows;
    expect(kuke && verdicts(table, kuke)).toEqual([
      { text: '0.50 × ctr (goal ≤ 0.6)', reached: true },
      { text: '0.10 × podman (goal ≤ 0.05)', reached: false },
    ]);
  });

  test('may allow so much more, and a most', () => {
    const list = { what: 'list', samples: [29, 31], against: [{ what: 'version', most: 1, plus: 20 }], most: 30 };
    const rows = [list, { what: 'version', samples: [12, 12] }];
    expect(verdicts({ ...table, rows }, list)).toEqual([
      { text: '2.58 × version (goal ≤ 1 × + 20 ms)', reached: true },
      { text: 'at most 31.0 (goal < 30)', reached: false },
    ]);
  });
});

test('a table has a line a row', () => {
  expect(format(table)).toContain(
    '| kuke | 20.0 | 10.0 – 30.0 | 3 | ✓ 0.50 × ctr (goal ≤ 0.6); ✗ 0.10 × podman (goal ≤ 0.05) |',
  );
});

test('all are measured in each round, of which the first does not count, and take turns at being first', async () => {
  const order: string[] = [];
  const measuring = (name: string) => (round: number) => {
    order.push(name);
    return round;
  };
  expect(await inTurn(3, { a: measuring('a'), b: measuring('b') })).toEqual({ a: [1, 2, 3], b: [1, 2, 3] });
  expect(order.join('')).toBe('abbaabba');
});

test('a plot has a bar a row, says which goals were missed, and is well-formed', () => {
  const svg = plot([table], what => what === 'kuke');
  expect(svg.match(/<rect/g)).toHaveLength(3);
  expect(svg.match(/class="bar own"/g)).toHaveLength(1);
  expect(svg).toContain('20.0 (goal missed)');
  expect(svg).toContain('A pod &#60;up&#62; (ms)');
});
