/** get: --sort-by, -o jsonpath and custom-columns, and which changes -w prints. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { columnsOf, columnsOfFile } from '../../../../src/cli/get/custom-columns.ts';
import { sortResources } from '../../../../src/cli/get/sort.ts';
import { changesOf } from '../../../../src/kernel/changes.ts';
import type { Resource } from '../../../../src/kernel/kinds.ts';
import { cellYaml } from '../../kernel/kernel-on-fakes.ts';
import { type FakeKuke, readyKuke } from '../kuke-on-fakes.ts';

const resource = (name: string, spec: Record<string, unknown> = {}): Resource => ({
  ref: { kind: 'Cell', path: ['main', name] },
  manifest: { apiVersion: 'v1beta1', kind: 'Cell', metadata: { name }, spec },
  spec,
});

describe('--sort-by', () => {
  const sorted = (by: string, values: unknown[]) =>
    sortResources(
      values.map((value, index) => resource(`n${index}`, value === undefined ? {} : { value })),
      by,
      { header: ['NAME', 'VALUE'], row: ({ manifest }) => [manifest.metadata.name, String(manifest.spec.value ?? '')] },
    ).map(({ manifest }) => manifest.spec.value);

  test.each([
    [
      ['b', 'a', 'C'],
      ['a', 'b', 'C'],
    ],
    [
      [10, 9, 1],
      [1, 9, 10],
    ],
    [
      ['10.88.0.10', '10.88.0.9'],
      ['10.88.0.9', '10.88.0.10'],
    ],
    [
      ['web-10', 'web-9'],
      ['web-9', 'web-10'],
    ],
    [
      ['1Gi', '900Mi', '2Ki'],
      ['2Ki', '900Mi', '1Gi'],
    ],
    [
      ['12Mi/1Gi', '2Mi/2Gi'],
      ['2Mi/2Gi', '12Mi/1Gi'],
    ],
    [
      [undefined, 'a', undefined, 'b'],
      ['a', 'b', undefined, undefined],
    ],
  ])('%j', (values, expected) => {
    expect(sorted('.spec.value', values)).toEqual(expected);
    expect(sorted('value', values)).toEqual(expected);
    expect(sorted('{.spec.value}', values)).toEqual(expected);
  });

  test('once a watch has begun, the last may lose the field', () => {
    const table = { header: ['NAME'], row: () => ['x'] };
    expect(() => sortResources([resource('a')], '.spec.value', table)).toThrow('none of them has .spec.value');
    expect(sortResources([resource('a')], '.spec.value', table, true)).toHaveLength(1);
  });

  test('what is no column, and no path of any, is refused', () => {
    expect(() => sorted('valeu', [1])).toThrow('there is no column `valeu`; did you mean `VALUE`?');
    expect(() => sorted('.spec.nothing', [1])).toThrow('none of them has .spec.nothing');
    expect(() => sorted('.spec[', [1])).toThrow('--sort-by: column 7');
    expect(sorted('.spec.nothing', [])).toEqual([]);
  });
});

describe('custom columns', () => {
  const cells = (text: string, spec: Record<string, unknown>) =>
    columnsOf(text, '-o custom-columns').map(column => [column.header, column.value(resource('web', spec))]);

  test('each has a header and a path', () => {
    expect(
      cells('NAME:.metadata.name,N:{.spec.n},ALL:spec.l[*],TWO:.spec.l[0,1],NO:.spec.no', { n: 1, l: ['a', 'b', 'c'] }),
    ).toEqual([
      ['NAME', 'web'],
      ['N', '1'],
      ['ALL', 'a,b,c'],
      ['TWO', 'a,b'],
      ['NO', '<none>'],
    ]);
    expect(cells('X:.spec.l[?(@.id=="a,b")].v', { l: [{ id: 'a,b', v: 1 }] })).toEqual([['X', '1']]);
  });

  test.each([
    ['NAME', '`NAME` is not HEADER:PATH'],
    ['NAME:', '`NAME:` is not HEADER:PATH'],
    [':.a', '`:.a` is not HEADER:PATH'],
    ['A:.a,', '`` is not HEADER:PATH'],
    ['A:.a,B:.b[', '-o custom-columns, B: column 4, at the end'],
  ])('%j is refused', (text, why) => {
    expect(() => columnsOf(text, '-o custom-columns')).toThrow(why);
  });

  test('a file has a line of headers and one of paths', () => {
    const columns = columnsOfFile('NAME            N\n.metadata.name  .spec.n\n', 'columns.txt');
    expect(columns.map(({ header, value }) => [header, value(resource('web', { n: 2 }))])).toEqual([
      ['NAME', 'web'],
      ['N', '2'],
    ]);
    expect(() => columnsOfFile('A B\n.a\n', 'columns.txt')).toThrow('columns.txt: 2 headers, and 1 paths below them');
    expect(() => columnsOfFile('', 'columns.txt')).toThrow('columns.txt: 0 headers');
  });
});

describe('what a watch prints', () => {
  const seen = (...names: [string, string][]) =>
    new Map(names.map(([name, text]) => [name, { resource: resource(name), text }]));

  test('what is new, what is otherwise than it was, and what has gone', () => {
    const told = changesOf(
      seen(['same', '1'], ['changed', '1'], ['gone', '1']),
      seen(['same', '1'], ['changed', '2'], ['new', '1']),
    );
    expect(
      told.map(({ event, resource }) => [event, resource.ref.path.at(-1), resource.manifest.status?.state]),
    ).toEqual([
      ['DELETED', 'gone', 'Deleted'],
      ['MODIFIED', 'changed', undefined],
      ['ADDED', 'new', undefined],
    ]);
    expect(changesOf(undefined, seen(['a', '1'])).map(({ event }) => event)).toEqual(['ADDED']);
    expect(changesOf(seen(['a', '1']), seen(['a', '1']))).toEqual([]);
  });
});

describe('kuke get', () => {
  let fake: FakeKuke;
  beforeAll(async () => {
    fake = await readyKuke();
    await fake.kuke('apply', '-f', fake.file('cells.yaml', [cellYaml('web'), cellYaml('db')].join('---')));
  });
  afterAll(() => fake.remove());
  const get = (...argv: string[]) => fake.kuke('get', ...argv);

  test('prints templates of one, and of a list', async () => {
    expect((await get('cell', 'web', '-o', 'jsonpath={.metadata.name}={.status.state}')).stdout).toBe('web=Ready');
    const template = '{range .items[*]}{.metadata.name}{"\\n"}{end}';
    expect((await get('cells', '-o', `jsonpath=${template}`)).stdout).toBe('db\nweb\n');
    const file = fake.file('template', `${template}\n`);
    expect((await get('cells', `-o=jsonpath-file=${file}`)).stdout).toBe('db\nweb\n');
  });

  test('prints columns of the user’s own', async () => {
    const { stdout } = await get('cells', '-o', 'custom-columns=CELL:.metadata.name,NO:.spec.nothing');
    expect(stdout).toBe('CELL  NO\ndb    <none>\nweb   <none>\n');
    const file = fake.file('columns', 'CELL STATE\n.metadata.name .status.state\n');
    expect((await get('cells', '-o', `custom-columns-file=${file}`, '--no-headers')).stdout).toBe(
      'db   Ready\nweb  Ready\n',
    );
  });

  test('takes what -o name prints', async () => {
    expect((await get('cell/web', '-o', 'name')).stdout).toBe('cell/web\n');
    expect((await get('cell/wbe')).stderr).toContain('did you mean `web`?');
    expect((await get('cell/web', 'db')).stderr).toContain('`db` is one argument too many');
    expect((await get('')).stderr).toContain('there is no kind ``');
    expect((await fake.kuke('describe', 'stack/default')).stdout).toStartWith('Name:');
  });

  test('sorts in every format', async () => {
    expect((await get('cells', '--sort-by', 'address', '-o', 'name')).stdout).toBe('cell/web\ncell/db\n');
    expect((await get('cells', '--sort-by', '.metadata.name', '-o', 'name')).stdout).toBe('cell/db\ncell/web\n');
  });

  test.each([
    [['cells', '-o', 'jsonpath'], '--output is one of table, wide, yaml, json, name, jsonpath='],
    [['cells', '-o', 'jsonpath='], '-o jsonpath=: a template is missing behind the ='],
    [['cells', '-o', 'jsonpaht={.a}'], 'not `jsonpaht=`; did you mean `jsonpath=`?'],
    [['cells', '-o', 'jsonpath={.a'], '-o jsonpath: column 4, at the end: a } is missing'],
    [['cells', '-o', 'jsonpath-file=/nowhere'], '/nowhere: '],
    [['cells', '--output-watch-events'], '--output-watch-events is of -w'],
    [['cells', '--resources', '-o', 'custom-columns=A:.a'], '--resources is of tables'],
  ])('%j is refused', async (argv, why) => {
    expect(await get(...argv)).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining(why) });
  });

  test('names near to what is not there are told', async () => {
    expect((await get('cell', 'webb')).stderr).toContain('not found; did you mean `web`? there: db, web');
    expect((await get('cell', 'web', '--realm', 'mian')).stderr).toContain(
      'realm mian: not found; did you mean `main`? there: main',
    );
    expect((await get('cell', 'web', '--stack', 'x')).stderr).toContain(
      'stack main/default/x: not found; there: default',
    );
    expect((await get('container', 'wbe', '--cell', 'web')).stderr).toContain(
      'not found; did you mean `web`? there: web',
    );
  });
});
