import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { renderTemplate, valuesAt } from '../../../../src/cli/get/jsonpath/evaluate.ts';
import { parsePath, parseTemplate } from '../../../../src/cli/get/jsonpath/parse.ts';

const document = {
  kind: 'List',
  items: [
    {
      kind: 'Cell',
      metadata: { name: 'web', labels: { 'app.kubernetes.io/name': 'shop', tier: 'front' } },
      spec: {
        containers: [{ id: 'a', cpus: 2 }, { id: 'b', cpus: 0.5 }, { id: 'c' }],
        ports: ['80:80', '81:81', '82:82'],
      },
    },
    { kind: 'Cell', metadata: { name: 'db' }, spec: { containers: [], on: true, off: null } },
  ],
};
const render = (template: string) => renderTemplate(parseTemplate(template, '-o jsonpath'), document);

describe('a template', () => {
  // What kubectl 1.32 makes of the same templates and such documents, by its reference page.
  test.each([
    ['{.kind}', 'List'],
    ['{$.kind}', 'List'],
    ['{@.kind}', 'List'],
    ['{kind}', 'List'],
    ["{['kind']}", 'List'],
    ['.items[*].metadata.name', 'web db'],
    ['{.items[*].metadata.name}', 'web db'],
    ['{.items[0].metadata}', JSON.stringify(document.items[0]?.metadata)],
    ['{.items[-1].metadata.name}', 'db'],
    ['{.items[0].spec.ports[0:2]}', '80:80 81:81'],
    ['{.items[0].spec.ports[-2:]}', '81:81 82:82'],
    ['{.items[0].spec.ports[::2]}', '80:80 82:82'],
    ['{.items[0].spec.ports[0,2]}', '80:80 82:82'],
    ["{.items[*]['kind','metadata.name']}", 'Cell web Cell db'],
    ['{.items[0].spec.containers[?(@.id=="b")].cpus}', '0.5'],
    ["{.items[0].spec.containers[?(@.id == 'b')].cpus}", '0.5'],
    ['{.items[0].spec.containers[?(@.cpus)].id}', 'a b'],
    ['{.items[0].spec.containers[?(@.cpus>1)].id}', 'a'],
    ['{.items[0].spec.containers[?(@.cpus<=0.5)].id}', 'b'],
    ['{.items[0].spec.containers[?(@.id!="a")].id}', 'b c'],
    ['{.items[?(@.spec.on==true)].metadata.name}', 'db'],
    ['{.items[?(@.kind==$.kind)].metadata.name}', ''],
    ['{.items[?(@.metadata.labels)].metadata.name}', 'web'],
    ['{.items[0].metadata.labels.app\\.kubernetes\\.io/name}', 'shop'],
    ["{.items[0].metadata.labels['app\\.kubernetes\\.io/name']}", 'shop'],
    ["{.items[0].metadata.labels['app.kubernetes.io/name']}", 'shop'],
    ['{..id}', 'a b c'],
    ['{..containers[*].id}', 'a b c'],
    ['{.items[0].metadata.labels.*}', 'shop front'],
    ['{range .items[*]}{.metadata.name}{"\\t"}{.kind}{"\\n"}{end}', 'web\tCell\ndb\tCell\n'],
    ['{range .items[*]}[{range .spec.containers[*]}{.id},{end}]{end}', '[a,b,c,][]'],
    ['{range .items[*]}{$.kind}/{.metadata.name} {end}', 'List/web List/db '],
    ['name: {.items[0].metadata.name}!', 'name: web!'],
    ['{"{}"}{\'"\'}{"it\'s"}', '{}"it\'s'],
    ['{ .kind }', 'List'],
    ['{.items[1].spec.off}', 'null'],
    ['', ''],
  ])('%s', (template, expected) => {
    expect(template === '' ? '' : render(template)).toBe(expected);
  });

  test.each([
    '{.nothing}',
    '{.kind.below}',
    '{.items[9]}',
    '{.items[9].a[1:2]}',
    '{.kind[0]}',
    '{range .nothing[*]}x{end}',
  ])('what is not there is nothing: %s', template => expect(render(template)).toBe(''));

  test.each([
    ['{.items[*]', 'column 11, at the end: a } is missing'],
    ['{range .items[*]}x', 'column 1, at `{range .items[*]}x`: {end} of this range is missing'],
    ['a{end}', 'column 2, at `{end}`: there is no range that this end is of'],
    ['{.a}}', 'column 5, at `}`: there is no { for this'],
    ['{.items[x y]}', 'column 11, at `y]}`: a ] is missing'],
    ['{.items[]}', 'column 9, at `]}`: an index, a slice such as 0:2, *, a quoted name or ?(...) is expected here'],
    ['{.items[?(@.s=2)]}', 'column 14, at `=2)]}`: one of == != <= >= < >, or the )] of the filter, is expected here'],
    ['{.items[?(@.s==2', 'column 8, at `[?(@.s==2`: the )] of this filter is missing'],
    ['{.items[?()]}', 'column 11, at `)]}`: a path is expected here, such as .metadata.name'],
    ['{"abc}', 'column 2, at `"abc}`: the end of this quoted text is missing'],
    ['{.a[0:2:0]}', 'column 5, at `0:2:0]}`: a slice cannot go on by 0'],
    ['{.a\n{.b}', 'line 2, column 1, at `{.b}`: a } is missing'],
    ['{}', 'column 2, at `}`: a path is expected here, such as .metadata.name'],
  ])('%j is refused with the place', (template, why) => {
    expect(() => render(template)).toThrow(`-o jsonpath: ${why}`);
  });

  test('a path alone may go without its braces and its first dot', () => {
    for (const text of [
      '.status.state',
      'status.state',
      '{.status.state}',
      '{ status.state }',
      '$.status.state',
      ' .status.state ',
    ])
      expect(
        valuesAt(parsePath(text, '--sort-by'), { root: { status: { state: 1 } }, current: { status: { state: 1 } } }),
      ).toEqual([1]);
    expect(() => parsePath('.a b', '--sort-by')).toThrow('--sort-by: column 4, at `b`: a path ends before this');
    expect(() => parsePath('', '--sort-by')).toThrow('a path is expected here');
  });
});

/** One step of a path, as text, and what it does to a value, said once more. */
type ModelStep = readonly [text: string, of: (value: unknown) => unknown[]];

const key = fc.constantFrom('a', 'b', 'a.b', 'c/d', 'constructor');
const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const below = (value: unknown): unknown[] => (typeof value === 'object' && value !== null ? Object.values(value) : []);
const everything = (value: unknown): unknown[] => [value, ...below(value).flatMap(everything)];
const at = (name: string) => (value: unknown) => (isMap(value) && Object.hasOwn(value, name) ? [value[name]] : []);
const escaped = (name: string) => name.replace(/[./]/g, '\\$&');

const step: fc.Arbitrary<ModelStep> = fc.oneof(
  key.map((name): ModelStep => [`.${escaped(name)}`, at(name)]),
  fc
    .integer({ min: -3, max: 3 })
    .map(
      (index): ModelStep => [
        `[${index}]`,
        value => (Array.isArray(value) && value.at(index) !== undefined ? [value.at(index)] : []),
      ],
    ),
  fc
    .tuple(fc.integer({ min: -4, max: 4 }), fc.integer({ min: -4, max: 4 }))
    .map(([from, to]): ModelStep => [`[${from}:${to}]`, value => (Array.isArray(value) ? value.slice(from, to) : [])]),
  fc.constant<ModelStep>(['[*]', below]),
  fc.constant<ModelStep>(['.*', below]),
  key.map((name): ModelStep => [`..${escaped(name)}`, value => everything(value).flatMap(at(name))]),
  key.map(
    (name): ModelStep => [
      `[?(@.${escaped(name)})]`,
      value => (Array.isArray(value) ? value.filter(one => at(name)(one).length > 0) : []),
    ],
  ),
  fc
    .tuple(key, fc.constantFrom('x', 'y'))
    .map(
      ([name, wanted]): ModelStep => [
        `[?(@.${escaped(name)}=="${wanted}")]`,
        value => (Array.isArray(value) ? value.filter(one => at(name)(one)[0] === wanted) : []),
      ],
    ),
);

const { value: json } = fc.letrec(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom('x', 'y', 1, true, null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
}));

test('any path finds what the model finds, in its order', () => {
  let found = 0;
  fc.assert(
    fc.property(json, fc.array(step, { minLength: 1, maxLength: 4 }), (value, steps) => {
      const text = `$${steps.map(([one]) => one).join('')}`;
      const expected = steps.reduce<unknown[]>((values, [, of]) => values.flatMap(of), [value]);
      if (expected.length > 0) found++;
      expect(valuesAt(parsePath(text, 'path'), { root: value, current: value })).toEqual(expected);
    }),
    { numRuns: 2000 },
  );
  expect(found).toBeGreaterThan(100);
});

test('any text is a template, or is refused by its place', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '(',
    ')',
    '?',
    '@',
    '.',
    '*',
    ':',
    ',',
    '"',
    "'",
    '\\',
    ' ',
    'a',
    '0',
    '=',
    'range ',
    'end',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
      try {
        expect(typeof render(`{${pieces.join('')}`)).toBe('string');
      } catch (thrown) {
        expect(String(thrown)).toMatch(/-o jsonpath: (?:line \d+, )?column \d+, at /);
      }
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ['ranges within ranges', `${'{range $.items[*]}'.repeat(30)}x${'{end}'.repeat(30)}`, 'values'],
  ['descents', `{${'..'.repeat(40)}}`, 'values'],
  ['filters', `{.items[?(${'$'}${'..'.repeat(6)}==${'$'}${'..'.repeat(6)})]}`, 'values'],
  ['the same again and again', `{range ${'..'.repeat(5)}}${'y'.repeat(60_000)}{end}`, 'characters'],
])('%s come to an end', (_, template, what) => {
  expect(() => render(template)).toThrow(new RegExp(`^the template makes more than \\d+ ${what} of this$`));
});
