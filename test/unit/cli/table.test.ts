import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { printable } from '../../../src/cli/output/printable.ts';
import { alignColumns } from '../../../src/cli/output/table.ts';

describe('alignColumns', () => {
  test('makes columns as wide as their widest cell, with nothing behind the last', () => {
    const rows = [
      ['NAME', 'STATE', 'ADDRESS'],
      ['web', 'Ready', '10.88.0.2'],
      ['a-long-name', 'Failed', ''],
    ];
    expect(alignColumns(rows)).toBe(
      ['NAME         STATE   ADDRESS', 'web          Ready   10.88.0.2', 'a-long-name  Failed'].join('\n'),
    );
  });

  test('counts what a terminal shows: wide characters twice, marks and emoji’s parts not at all', () => {
    const rows = [
      ['漢字', '|'],
      ['e\u0301', '|'],
      ['👩‍👩‍👧', '|'],
      ['abcde', '|'],
    ];
    expect(alignColumns(rows)).toBe(['漢字   |', 'e\u0301      |', '👩‍👩‍👧     |', 'abcde  |'].join('\n'));
  });

  test('rows may be of different length, and there may be none', () => {
    expect(alignColumns([['a'], ['b', 'c'], []])).toBe('a\nb  c\n');
    expect(alignColumns([])).toBe('');
  });

  const cell = fc.string({ unit: fc.constantFrom('a', 'b', '漢', 'e\u0301', '-'), maxLength: 5 });

  test('every column begins at one place', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell, fc.constant('|')), { minLength: 1 }), rows => {
        const places = alignColumns(rows)
          .split('\n')
          .map(line => Bun.stringWidth(line.slice(0, line.lastIndexOf('|'))));
        expect(new Set(places).size).toBe(1);
      }),
    );
  });
});

describe('printable', () => {
  test('lets no text steer the terminal', () => {
    expect(printable('a\u001b[2Jb\u0007\u0000c\u009bd\u007f')).toBe('a\\x1b[2Jb\\x07\\x00c\\x9bd\\x7f');
    expect(printable('safe\u202egnp.exe')).toBe('safe\\u{202e}gnp.exe');
    const hostile = fc.string({ unit: 'binary' });
    fc.assert(fc.property(hostile, text => !/[\p{Cc}\p{Cf}]/u.test(printable(text).replace(/[\n\t]/g, ''))));
  });

  test('leaves what people write as it is', () => {
    for (const text of ['größe', '漢字', 'a\tb', '→ “x”', 'e\u0301']) expect(printable(text)).toBe(text);
  });
});
