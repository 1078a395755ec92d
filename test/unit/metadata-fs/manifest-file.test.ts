import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { holdsCredentials, manifestText, parseManifest } from '../../../plugins/metadata-fs/manifest-file.ts';
import type { Manifest } from '../../../src/plugin.ts';
import { failure } from '../../suites/contract.ts';

const tricky = fc.constantFrom(
  ...[
    '0755',
    '1e3',
    '0x1F',
    '0o17',
    '0b1',
    '1_000',
    '.5',
    '5.',
    '~',
    'null',
    'yes',
    'No',
    'on',
    'y',
    'true',
    '.nan',
    '.inf',
    '',
    '=',
    '<<',
  ],
  ...[
    '2024-01-01',
    '2024-01-01T00:00:00Z',
    '12:30:45',
    '190:20:30',
    '12345678901234567890',
    '+1',
    '-0',
    '1e400',
    ' lead',
    'trail ',
  ],
  ...[
    '# x',
    'a #b',
    'a: b',
    'a:',
    '- a',
    '? a',
    '*a',
    '&a',
    '!a',
    '%a',
    '@a',
    '`a',
    '{a',
    '[a',
    '|',
    '>',
    "it's",
    '"a"',
    '\\',
    '---',
    '...',
  ],
  ...[
    '\n',
    '\n\n',
    'a\n',
    'a\n\n',
    '\na',
    '  a\n b',
    ' \n a',
    'a\r\nb',
    '\r',
    '\t',
    '\ta',
    'a\n\tb',
    'word '.repeat(60),
    'x'.repeat(300),
  ],
  ...[
    '\u0000',
    '\u0007',
    '\u001b[0m',
    '\u007f',
    '\u0085',
    '\u00a0',
    '\u2028',
    '\ufeff',
    '\ud83d',
    'äöü',
    '日本',
    '🙂',
    '--- a\n--- b',
  ],
);
const text = fc.oneof(
  tricky,
  fc.string(),
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc.stringMatching(/^[ \n\t:#'"a-]*$/),
);
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => value + 0); // JSON has no -0
const { value } = fc.letrec<{ value: unknown; list: unknown[]; map: Record<string, unknown> }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    number,
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    tie('list'),
    tie('map'),
  ),
  list: fc.array(tie('value'), { maxLength: 4 }),
  map: fc.dictionary(text, tie('value'), { maxKeys: 4, noNullPrototype: true }),
}));
const map = fc.dictionary(text, value, { maxKeys: 5, noNullPrototype: true });
const manifests: fc.Arbitrary<Manifest> = fc.record(
  {
    apiVersion: fc.constant('v1beta1' as const),
    kind: fc.constantFrom('Realm', 'Cell', 'Greeting'),
    metadata: fc.record({ name: fc.constantFrom('main', '0755', 'no', '1e3') }),
    spec: map,
    status: map,
  },
  { requiredKeys: ['apiVersion', 'kind', 'metadata', 'spec'] },
);
const parsed = async (source: string) => {
  const outcome = await parseManifest(source);
  return 'problem' in outcome ? outcome.problem : outcome.manifest;
};

describe('the text of a manifest', () => {
  test('is read back as it was written, by us and by the yaml package', async () => {
    await fc.assert(
      fc.asyncProperty(manifests, async manifest => {
        const written = await manifestText(manifest);
        expect(await parsed(written)).toEqual(manifest);
        expect(parse(written)).toEqual(manifest);
      }),
      { numRuns: 500 },
    );
  });

  test('is read back from bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(text, text, { noNullPrototype: true }), async spec => {
        const manifest: Manifest = { apiVersion: 'v1beta1', kind: 'Cell', metadata: { name: 'web' }, spec };
        const bytes = Buffer.from(await manifestText(manifest));
        expect(await parsed(bytes.toString())).toEqual(manifest);
      }),
      { numRuns: 500 },
    );
  });

  test('is refused when it cannot be read back', async () => {
    const spec = { at: new Date() };
    const manifest: Manifest = { apiVersion: 'v1beta1', kind: 'Cell', metadata: { name: 'web' }, spec };
    await failure(manifestText(manifest), 'Internal');
  });

  test('is for people: in the known order, lines as lines, nothing folded, nothing that YAML 1.1 takes for something else', async () => {
    const shared = ['a'];
    const long = 'word '.repeat(40).trim();
    const spec = {
      script: 'one\ntwo\n',
      long,
      mode: '0755',
      word: 'yes',
      at: '12:30',
      date: '2024-01-01',
      one: shared,
      other: shared,
    };
    const manifest: Manifest = {
      status: { state: 'Ready' },
      spec,
      kind: 'Cell',
      metadata: { name: 'web' },
      apiVersion: 'v1beta1',
    };
    expect(await manifestText(manifest)).toBe(`apiVersion: v1beta1
kind: Cell
metadata:
  name: web
spec:
  script: |
    one
    two
  long: ${long}
  mode: "0755"
  word: "yes"
  at: "12:30"
  date: "2024-01-01"
  one:
    - a
  other:
    - a
status:
  state: Ready
`);
  });
});

describe('what is no manifest', () => {
  const good = 'apiVersion: v1beta1\nkind: Realm\nmetadata:\n  name: main\nspec:\n  a: 1\n';
  test.each([
    ['a bracket that is not closed', `${good}b: [1, 2\n`, /^not valid YAML: line 8, column 1: /],
    ['a quote that is not closed', `${good}  b: "x\n`, /^not valid YAML: line \d+, column \d+: .*quote/],
    ['indentation', 'a: 1\n b: 2\n', /^not valid YAML: line 1, column 4: /],
    ['a tab', 'a:\n\t- 1\n', /^not valid YAML: line 2, column 1: /],
    ['two documents', `${good}---\n${good}`, /^not valid YAML: line 7, column 1: .*multiple documents/],
    ['zeros', '\0'.repeat(4096), /./],
    ['noise', '\u0001\u0002\ufffd\ufffd"\n', /./],
    ['a binary', '\u007fELF\u0002\u0001\u0001\0\0', /./],
    ['nothing', '', /newline|map/],
    ['a comment', '# nothing\n', /not a map/],
    ['a list', '- a\n', /not a map/],
    ['a word', 'word\n', /not a map/],
    [
      'another map',
      'a: 1\n',
      /apiVersion is not v1beta1, kind is not a string, metadata.name is not a string, spec is not a map/,
    ],
    ['another version', good.replace('v1beta1', 'v2'), /apiVersion is not v1beta1/],
    ['a name that is a number', good.replace('main', '7'), /metadata.name is not a string/],
    ['a spec that is a list', good.replace('  a: 1', '  - a'), /spec is not a map/],
    ['a status that is a word', `${good}status: Ready\n`, /status is not a map/],
    ['a last line that is cut off', good.trimEnd(), /cut off/],
    [
      'aliases that multiply',
      `${good}b: &b [x,x,x,x,x,x,x,x,x,x]\n${[...'cdefghij'].map((key, i) => `${key}: &${key} [${Array(10).fill(`*${'bcdefghi'[i]}`)}]\n`).join('')}`,
      /alias/,
    ],
    ['a thousand brackets', `a: ${'['.repeat(200_000)}\n`, /./],
  ])('%s', async (_, source, problem) => {
    expect(await parsed(source)).toEqual(expect.stringMatching(problem));
  });

  test('every cut of a file is a problem, or the whole of its lines', async () => {
    const source = `${good}status:\n  state: Ready\n`;
    for (let end = 0; end < source.length; end++) {
      const outcome = await parseManifest(source.slice(0, end));
      if (source[end - 1] !== '\n') expect(outcome).toHaveProperty('problem');
    }
  });

  test('what Bun and the yaml package read differently is read as YAML has it', async () => {
    const merge = `${good}status:\n  "<<": {x: 1}\n  y: "\\ud83d"\n`;
    expect(await parsed(merge)).toMatchObject({ status: { '<<': { x: 1 }, y: '\ud83d' } });
  });
});

test.each([
  [{ spec: { registryCredentials: [{ server: 'x' }] } }, true],
  [{ spec: { a: [{ Password: 'x' }] } }, true],
  [{ spec: { api_token: null } }, true],
  [{ spec: { containers: [{ env: ['DATABASE_URL=postgres://u:p@h'] }] } }, true],
  [{ spec: { containers: [{ args: ['--key=x'] }] } }, true],
  [{ spec: { containers: [{ command: 'x' }] } }, true],
  [{ spec: { containers: [{ image: 'x', workingDir: '/' }] } }, false],
  [{ spec: { image: 'docker.io/library/token:1' } }, false],
  [{}, false],
])('whether %j holds credentials', (manifest, expected) => {
  expect(holdsCredentials(manifest)).toBe(expected);
});
