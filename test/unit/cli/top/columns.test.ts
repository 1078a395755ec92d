import { describe, expect, test } from 'bun:test';
import { keysIn } from '../../../../src/cli/output/screen.ts';
import { formatRows, liveColumns, pastColumns, plainColumns } from '../../../../src/cli/top/columns.ts';
import { frame } from '../../../../src/cli/top/live.ts';
import { missingText } from '../../../../src/cli/top/past.ts';
import type { Place } from '../../../../src/cli/top/places.ts';
import { type Row, rowsOf, type Sort } from '../../../../src/cli/top/rows.ts';
import type { Use } from '../../../../src/kernel/usage.ts';

const Mi = 2 ** 20;

function place(path: string[], below: Place[] = []): Place {
  return { ref: { kind: 'Any', path }, cgroup: `/kukeon/${path.join('/')}`, below };
}

const uses: Record<string, Use> = {
  '/kukeon/main': {
    cpus: 1.5,
    memory: { current: 300 * Mi, limit: 512 * Mi },
    io: { readBps: 1000, writeBps: 3 * Mi, readIops: 1, writeIops: 2 },
    pids: { current: 12, limit: 100 },
    pressure: { cpu: 42.1, memory: 0, io: 3 },
  },
  '/kukeon/main/a': { cpus: 0.2, memory: { current: 290 * Mi, limit: 512 * Mi }, pids: { current: 1 } },
  '/kukeon/main/b': { cpus: 1.2, memory: { current: 10 * Mi, limit: 512 * Mi }, pids: { current: 11 } },
  '/kukeon/lab': {},
};
const places = [place(['lab']), place(['main'], [place(['main', 'a']), place(['main', 'b']), place(['main', 'c'])])];
const rows = (sort: Sort): Row[] => rowsOf(places, sort, cgroup => uses[cgroup ?? ''] ?? {});
const names = (sort: Sort) => rows(sort).map(({ name }) => name);

describe('rows', () => {
  test.each([
    ['cpu', ['main', 'b', 'a', 'c', 'lab']],
    ['memory', ['main', 'a', 'b', 'c', 'lab']],
    ['io', ['main', 'a', 'b', 'c', 'lab']],
    ['pids', ['main', 'b', 'a', 'c', 'lab']],
    ['name', ['lab', 'main', 'a', 'b', 'c']],
  ] as const)('by %s: siblings among themselves, each below its parent', (sort, expected) => {
    expect(names(sort)).toEqual([...expected]);
  });
});

describe('a table', () => {
  test('aligned; what is not counted is a dash', () => {
    expect(formatRows(plainColumns, rows('cpu'))).toEqual([
      'NAME    CPU%  MEMORY  LIMIT  READ/S  WRITE/S    PIDS  CPU-PSI  MEM-PSI  IO-PSI',
      '  main   150   300Mi  512Mi     1Ki      3Mi  12/100     42.1      0.0     3.0',
      '    b    120    10Mi  512Mi       -        -      11        -        -       -',
      '    a   20.0   290Mi  512Mi       -        -       1        -        -       -',
      '    c      -       -      -       -        -       -        -        -       -',
      '  lab      -       -      -       -        -       -        -        -       -',
    ]);
  });

  test('for a terminal has bars and sparklines', () => {
    const lines = formatRows(
      liveColumns(() => [0, 0.5, 1]),
      rows('cpu').slice(0, 1),
      200,
    );
    expect(lines).toEqual([
      'NAME    CPU%  TREND         MEMORY            LIMIT  READ/S  WRITE/S    PIDS  PSI C/M/I',
      '  main   150           ▁▅█   300Mi  ████▊···  512Mi     1Ki      3Mi  12/100     42/0/3',
    ]);
  });

  test('fits any width: columns go, then the name is cut', () => {
    const long = rowsOf([place(['a-realm-with-a-name-of-some-length'])], 'cpu', () => uses['/kukeon/main'] ?? {});
    for (let width = 16; width < 130; width++) {
      const lines = formatRows(
        liveColumns(() => [1]),
        [...rows('cpu'), ...long],
        width,
      );
      expect([width, lines.filter(line => Bun.stringWidth(line) > width)]).toEqual([width, []]);
      expect(lines[0]).toMatch(/^N.* CPU% .*MEMORY/);
    }
    const [header] = formatRows(
      liveColumns(() => [1]),
      rows('cpu'),
      40,
    );
    expect(header).toMatch(/^NAME +CPU% +MEMORY +LIMIT +PIDS$/);
  });
});

test('of the last while: averages and peaks, and how it went where there is room', () => {
  const past = {
    cpu: { cpus: { average: 0.2, peak: 1.5, points: [null, 0.1, 1.5] } },
    memory: { usedBytes: { average: 290 * Mi, peak: 400 * Mi, points: [null, 200 * Mi, 400 * Mi] } },
  };
  const shown = rows('cpu').filter(({ name }) => ['a', 'lab'].includes(name));
  const table = (isLive: boolean, width?: number) =>
    formatRows(
      pastColumns(({ name }) => (name === 'a' ? past : {}), isLive),
      shown,
      width,
    );
  expect(table(true)).toEqual([
    'NAME   CPU%  CPU-PEAK  CPU-TREND     MEMORY  MEM-PEAK  MEM-TREND     READ/S  WRITE/S',
    '    a  20.0       150            ▁█   290Mi     400Mi            ▅█       -        -',
    '  lab     -         -                     -         -                     -        -',
  ]);
  expect(table(true, 80)[0]).toBe('NAME   CPU%  CPU-PEAK  CPU-TREND     MEMORY  MEM-PEAK  READ/S  WRITE/S');
  expect(table(true, 40)[0]).toBe('NAME   CPU%  CPU-PEAK  MEMORY  MEM-PEAK');
  expect(table(false)[0]).toBe('NAME   CPU%  CPU-PEAK  MEMORY  MEM-PEAK  READ/S  WRITE/S');
});

test('says since when it is known, where that is not long enough', () => {
  const to = '2026-01-02T03:04:05.000Z';
  const known = (from?: string) =>
    missingText({ ...(from && { from, to }), intervalSeconds: 20, times: [], total: {}, items: [] }, 600_000);
  expect(known('2026-01-02T02:54:15.000Z')).toBeUndefined();
  expect(known('2026-01-02T03:00:00.123Z')).toMatch(/^since 2026-01-02T03:00:00Z: /);
  expect(known()).toBe('kukeond has just begun to look at it');
});

test('keys, singly or several at once', () => {
  expect(keysIn('q')).toEqual(['q']);
  expect(keysIn('\u001b[A\u001bOB\u001b[5~\u001b[6~\u001b[H\u001b[4~c')).toEqual([
    'up',
    'down',
    'pageUp',
    'pageDown',
    'home',
    'end',
    'c',
  ]);
  // F5, Alt-q, Ctrl-up, a lone Escape, and what is cut off.
  expect(keysIn('\u001b[15~')).toEqual([]);
  expect(keysIn('\u001b[1;5A')).toEqual([]);
  expect(keysIn('\u001b')).toEqual([]);
  expect(keysIn('\u001bq')).toEqual([]);
  expect(keysIn('\u0003')).toEqual(['\u0003']);
});

describe('a frame', () => {
  const sample = { sampledAt: '2026-01-02T03:04:05Z', seconds: 2, problems: [], rows };
  const shown = { sample, sort: 'cpu', intervalMs: 2000, history: new Map() } as const;
  const frameAt = (top: number, height: number, columns = 100) => frame({ ...shown, top }, { columns, rows: height });
  const drawn = (columns: number, height: number) => frameAt(0, height, columns).lines;

  test('has no more lines than the screen, and says which of them are there', () => {
    expect(drawn(100, 30)).toHaveLength(3 + 5);
    expect(drawn(100, 8)).toHaveLength(8);
    const cut = drawn(100, 6);
    expect([cut.length, cut.at(-1)]).toEqual([6, expect.stringMatching(/^ {2}1–2 of 5; ↑ ↓ PgUp PgDn; /)]);
    for (let height = 4; height < 12; height++) expect(drawn(100, height).length).toBeLessThanOrEqual(height);
  });

  test('begins with the row that is asked for, as far as there are more', () => {
    const at = (top: number, height = 6) => {
      const { lines, top: first } = frameAt(top, height);
      return [first, ...lines.slice(3).map(line => line.trim().split(' ')[0])];
    };
    expect(at(0)).toEqual([0, 'main', 'b', '1–2']);
    expect(at(1)).toEqual([1, 'b', 'a', '2–3']);
    expect(at(3)).toEqual([3, 'c', 'lab', '4–5']);
    expect(at(Number.POSITIVE_INFINITY)).toEqual(at(3));
    expect(at(Number.NEGATIVE_INFINITY)).toEqual(at(0));
    expect(at(3, 8)).toEqual([0, 'main', 'b', 'a', 'c', 'lab']);
  });

  test('says which keys there are, as far as there is room', () => {
    const first = (columns: number) =>
      drawn(columns, 30)[0]
        ?.replace(/.*by cpu/, '')
        .trim();
    expect(first(100)).toBe('q ends; sort: c cpu, m memory, i io, p pids, n name');
    expect(first(80)).toBe('q ends; sort: c m i p n');
    expect(first(50)).toBe('q ends');
    expect(first(40)).toBe('');
  });

  test('says how it is sorted', () =>
    expect(drawn(100, 30)[0]).toMatch(/^kuke top {2}\d\d:\d\d:\d\d {2}every 2 s, by cpu/));
});
