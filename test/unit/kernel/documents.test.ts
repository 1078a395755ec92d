import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { formatDocument, parseDocuments } from '../../../src/kernel/documents.ts';
import { KukeError } from '../../../src/kernel/errors.ts';

const values = (text: string) => parseDocuments(text, 'cell.yaml').map(({ value }) => value);

function refusal(text: string): KukeError {
  try {
    parseDocuments(text, 'cell.yaml');
  } catch (thrown) {
    if (thrown instanceof KukeError) return thrown;
    throw thrown;
  }
  throw new Error('it was taken');
}

describe('what is not YAML', () => {
  test.each([
    ['a tab as indentation', 'kind: Cell\nspec:\n\tid: web\n', '3:1', 'Tabs are not allowed'],
    ['a bracket that stays open', 'spec:\n  args: [a, b\nkind: Cell\n', '3:1', 'Flow sequence'],
    ['a key that is there twice', 'kind: Cell\nmetadata: {}\nkind: Cell\n', '3:1', 'Map keys must be unique'],
    ['an alias of nothing', 'spec: *nothing\n', '1:1', 'nothing'],
    ['a tag', 'kind: Cell\nspec: !!binary aGk=\n', '2:7', 'Unresolved tag'],
    ['a key that is a list', 'kind: Cell\n? [a, b]\n: c\n', '2:3', 'all keys must be strings'],
    ['a second document that is spoilt', 'kind: Cell\n---\na: 1\n b: 2\n', '3:4', ''],
    ['JSON that is cut off', '{"kind": "Cell", "spec": {', '1:27', ''],
    ['an alias within what it names', 'spec: &spec\n  again: *spec\n', '1:1', 'an alias stands within what it names'],
  ])('%s is refused with line and column', (_, text, place, why) => {
    const { code, message, summary } = refusal(text);
    expect(code).toBe('InvalidManifest');
    expect(message).toStartWith(`cell.yaml:${place}: not valid YAML: `);
    expect(message).toContain(why);
    expect(summary).toEndWith('(mend the file)');
  });

  test('aliases that multiply are refused before they fill the memory', () => {
    const letters = [...'abcdefghi'];
    const lines = letters.map((letter, index) => {
      const before = letters[index - 1];
      return `${letter}: &${letter} [${Array(9).fill(before ? `*${before}` : 'x')}]`;
    });
    expect(refusal(lines.join('\n')).message).toContain('Excessive alias count');
  });

  test.each([
    ['lists', '['.repeat(50_000) + ']'.repeat(50_000)],
    ['maps', '{a: '.repeat(50_000)],
    ['blocks', '- '.repeat(50_000)],
  ])('%s within one another without end are refused', (_, text) => {
    expect(refusal(text).message).toContain('nested too deeply');
  });

  test('more than 8 MiB are not even looked at', () => {
    expect(refusal('#'.repeat(8 * 1024 * 1024 + 1)).message).toBe('cell.yaml is larger than 8 MiB');
  });

  test('nothing that is thrown at it makes it fail in any other way', () => {
    const bit = fc.constantFrom(
      'a',
      ': ',
      '- ',
      '\n',
      '  ',
      '[',
      ']',
      '{',
      '}',
      '&a ',
      '*a',
      '!!',
      '"',
      "'",
      '|',
      '>',
      '?',
      '#',
      '%',
      '---',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(bit, { maxLength: 30 }).map(bits => bits.join('')),
    );
    fc.assert(
      fc.property(text, given => {
        try {
          JSON.stringify(values(given));
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(KukeError);
        }
      }),
    );
  });
});

describe('documents', () => {
  test('there may be none, one, or several', () => {
    for (const nothing of ['', '\n', '# nothing', '---\n', '---\n---\n', '~', 'null'])
      expect(values(nothing)).toEqual([]);
    expect(values('kind: Cell')).toEqual([{ kind: 'Cell' }]);
    expect(values('a: 1\n---\n---\n# none\n---\nb: 2\n...\n')).toEqual([{ a: 1 }, { b: 2 }]);
  });

  test('JSON, a byte order mark and Windows’ line ends are fine', () => {
    expect(values('{"kind": "Cell", "spec": {"id": "web"}}')).toEqual([{ kind: 'Cell', spec: { id: 'web' } }]);
    expect(values('\ufeffkind: Cell\r\nspec:\r\n  id: web\r\n')).toEqual([{ kind: 'Cell', spec: { id: 'web' } }]);
  });

  test('a List is its items', () => {
    expect(values('kind: List\nitems: [{a: 1}, {b: 2}]\n---\nc: 3')).toEqual([{ a: 1 }, { b: 2 }, { c: 3 }]);
    expect(values('kind: List\nitems: []')).toEqual([]);
    expect(values('kind: List\nitems: none')).toEqual([{ kind: 'List', items: 'none' }]);
  });

  test('keys are strings, whatever they look like', () => {
    const [labels] = values('1: one\ntrue: yes\n~: null\n__proto__: {polluted: 1}\n');
    expect(Object.entries(labels ?? {})).toEqual([
      ['1', 'one'],
      ['true', 'yes'],
      ['~', null],
      ['__proto__', { polluted: 1 }],
    ]);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });
});

describe('locate', () => {
  const text = `# a comment
kind: Cell
spec:
  containers:
    - id: web
      image: busybox
    - { id: side, imgae: busybox, 3: x }
---
spec:
  id: other
`;
  const [first, second] = parseDocuments(text, 'cell.yaml');

  test.each([
    ['kind', '2:1'],
    ['spec.containers', '4:3'],
    ['spec.containers[0].image', '6:7'],
    ['spec.containers[1]', '7:7'],
    ['spec.containers[1].imgae', '7:19'],
    ['spec.containers[1].3', '7:35'],
    ['spec.containers[1].image', '7:7'],
    ['spec.containers[7].image', '4:3'],
    ['spec.nothing.at.all', '3:1'],
    ['kind.deeper', '2:1'],
    ['status', '2:1'],
    ['', '2:1'],
    ['..[[]]', '2:1'],
  ])('%s is at %s, or what is around it', (path, place) => {
    expect(first?.locate(path)).toBe(`cell.yaml:${place}`);
  });

  test('lines count from the start of the file', () => {
    expect(second?.locate('spec.id')).toBe('cell.yaml:10:3');
  });

  test('in a List each item has its own place', () => {
    const [, item] = parseDocuments('kind: List\nitems:\n- a: 1\n- spec:\n    b: 2\n', 'stdin');
    expect(item?.locate('spec.b')).toBe('stdin:5:5');
    expect(item?.locate('')).toBe('stdin:4:3');
  });

  test('what came by an alias is where the alias is', () => {
    const [document] = parseDocuments('x: &c\n  image: a\nspec:\n  containers: *c\n', 'f');
    expect(document?.locate('spec.containers.image')).toBe('f:4:3');
  });
});

describe('formatDocument', () => {
  const letter = fc.constantFrom(
    ' ',
    '\n',
    '\r',
    '\t',
    'a',
    ':',
    '#',
    '-',
    '"',
    "'",
    '|',
    '>',
    '\u0085',
    '\u2028',
    '\ufeff',
    '\0',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: letter }),
    fc.constantFrom('yes', '0755', '1e3', '~', '<<', '2024-01-01', '12:30', 'NaN'),
  );
  const { value } = fc.letrec<{ value: unknown }>(tie => ({
    value: fc.oneof(
      { maxDepth: 3 },
      text,
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(text, tie('value'), { maxKeys: 3 }),
    ),
  }));

  test('gives back every value', () => {
    fc.assert(
      fc.property(value, given => {
        const [read] = values(`${formatDocument({ given })}\n`);
        expect(read).toEqual({ given: structuredClone(given) });
      }),
      { numRuns: 300 },
    );
  });
});
