import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { parseDocuments } from '../../../src/kernel/documents.ts';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { type FakeKuke, readyKuke } from './kuke-on-fakes.ts';

let fake: FakeKuke;
const get = async (...argv: string[]) => await fake.kuke('get', ...argv);

const labelled = (name: string, labels: string) =>
  cellYaml(name).replace(`metadata: { name: ${name} }`, `metadata: { name: ${name}, labels: { ${labels} } }`);

beforeAll(async () => {
  fake = await readyKuke();
  await fake.kuke('create', 'realm', 'lab');
  await fake.kuke('create', 'stack', 'blog');
  const cells = [
    labelled('web', 'app: blog, tier: front'),
    labelled('db', 'app: blog'),
    cellYaml('job').replace('stackId: default', 'stackId: blog'),
  ];
  const { status, stderr } = await fake.kuke('apply', '-f', fake.file('cells.yaml', cells.join('---')));
  if (status !== 0) throw new Error(stderr);
});
afterAll(() => fake.remove());

const names = ({ stdout }: { stdout: string }) =>
  stdout
    .trim()
    .split('\n')
    .filter(line => line !== '');

describe('a table', () => {
  test('has a column each that the kind declares; wide has more', async () => {
    const { stdout } = await get('cells');
    expect(stdout).toMatch(
      /^NAME +STATE +READY +RESTARTS +ADDRESS\ndb +Ready +1\/1 +0 +10\.88\.0\.\d\nweb +Ready +1\/1 +0 +10\.88\.0\.\d\n$/,
    );
    expect((await get('cells', '-o', 'wide')).stdout).toMatch(
      /^NAME +STATE +READY +RESTARTS +ADDRESS +PORTS +REASON +ADDRESSES +CGROUP\n/,
    );
  });

  test('from everywhere says where each is', async () => {
    const { stdout } = await get('cells', '-A');
    expect(stdout).toMatch(/^REALM +SPACE +STACK +NAME +STATE/);
    expect(stdout).toMatch(/^main +default +blog +job +Ready/m);
  });

  test('of nothing is told on stderr, and is no failure', async () => {
    const none = async (...argv: string[]) => {
      const { stderr, ...ended } = await get(...argv);
      expect(ended).toEqual({ status: 0, stdout: '' });
      return stderr;
    };
    expect(await none('cells', '-l', 'none')).toBe('no cells here; -A shows those of all scopes\n');
    expect(await none('cells', '--realm', 'mian')).toBe(
      'no cells here; there is no realm mian; did you mean `main`?\n',
    );
    expect(await none('co', '--stack', 'blgo')).toContain(
      'there is no stack main/default/blgo; did you mean `blog`?\n',
    );
  });

  test('shows the containers of one cell, or of all of a stack', async () => {
    expect((await get('co', '--cell', 'web')).stdout).toMatch(
      /^CELL +NAME +STATE +PID +RESTARTS +EXIT +IMAGE\nweb +web +Running +\d+ +0 +busybox\n$/,
    );
    expect(names(await get('containers', '-o', 'name'))).toEqual(['container/web', 'container/web']);
    expect(names(await get('containers', '-A', '-o', 'name'))).toHaveLength(3);
    // Of one name in two cells both are shown.
    expect(JSON.parse((await get('container', 'web', '-o', 'json')).stdout)).toMatchObject({ kind: 'List' });
    expect(JSON.parse((await get('container', 'web', '--cell', 'db', '-o', 'json')).stdout)).toMatchObject({
      kind: 'Container',
    });
  });
});

describe('names and scopes', () => {
  test.each([
    [['cell'], ['cell/db', 'cell/web']],
    [['ce', 'WEB'], ['cell/web']],
    [['Cells', '--stack', 'blog'], ['cell/job']],
    [
      ['cells', '-A'],
      ['cell/job', 'cell/db', 'cell/web'],
    ],
    [['r'], ['realm/lab', 'realm/main']],
    [
      ['st', '--space', 'default'],
      ['stack/blog', 'stack/default'],
    ],
    [
      ['cells', '-l', 'app=blog'],
      ['cell/db', 'cell/web'],
    ],
    [['cells', '-l', 'app=blog,!tier'], ['cell/db']],
    [['cells', '-A', '-l', '!app'], ['cell/job']],
    [['container', 'web', '--cell', 'db'], ['container/web']],
  ])('kuke get %j', async (argv, expected) => {
    expect(names(await get(...argv, '-o', 'name'))).toEqual(expected);
  });

  test('a name in a scope where it is not is not found', async () => {
    const { status, stderr } = await get('cell', 'web', '--stack', 'blog');
    expect([status, stderr]).toEqual([
      3,
      'error: cell main/default/blog/web: not found; there: job (see `kuke get`)\n',
    ]);
  });
});

describe('for scripts', () => {
  test.each([
    ['cells,spaces', 'kuke get cells'],
    [',st', 'kuke get st'],
    ['all', 'kuke tree'],
  ])('%s, as kubectl has it, is refused with what to type', async (kind, remedy) => {
    const { status, stdout, stderr } = await get(kind, '-A');
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain('one KIND at a time');
    expect(stderr).toContain(remedy);
  });

  test.each(['yaml', 'json'])('one resource as %s is its manifest with status; several are a List', async format => {
    const [one, ...others] = parseDocuments((await get('cell', 'web', '-o', format)).stdout, 'out').map(
      ({ value }) => value,
    );
    expect(others).toEqual([]);
    expect(one).toMatchObject({
      apiVersion: 'v1beta1',
      kind: 'Cell',
      metadata: { name: 'web' },
      status: { state: 'Ready' },
    });
    const { stdout } = await get('cells', '-o', format);
    const list: unknown = format === 'json' ? JSON.parse(stdout) : Bun.YAML.parse(stdout);
    expect(list).toMatchObject({
      apiVersion: 'v1beta1',
      kind: 'List',
      items: [{ metadata: { name: 'db' } }, { metadata: { name: 'web' } }],
    });
    expect((await get('cells', '--realm', 'lab', '-o', format)).stdout).toContain('items');
  });

  test.each(['yaml', 'json'])('what is got as %s is applied unchanged', async format => {
    const file = fake.file('got', (await get('cells', '-A', '-o', format)).stdout);
    const { status, stdout } = await fake.kuke('apply', '-f', file);
    expect(status).toBe(0);
    expect(names({ stdout }).every(line => line.endsWith(' unchanged'))).toBe(true);
    expect(names({ stdout })).toHaveLength(3);
  });

  test('of a secret-looking terminal sequence in a label nothing reaches the terminal as it is', async () => {
    const yaml =
      '{ apiVersion: v1beta1, kind: Cell, metadata: { name: odd, annotations: { a: "\\e]0;x\\a\\x9b" } }, spec: { stackId: blog } }';
    expect((await fake.kuke('apply', '-f', fake.file('odd.yaml', yaml))).status).toBe(0);
    for (const format of ['yaml', 'json', 'table', 'wide']) {
      const { stdout } = await get('cell', 'odd', '--stack', 'blog', '-o', format);
      expect(stdout.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    }
    await fake.kuke('delete', 'cell', 'odd', '--stack', 'blog');
  });
});

describe('what cannot be read', () => {
  test('is a warning, and the rest is shown', async () => {
    const { spoilt } = fake.host.store;
    spoilt.set('x', { path: '/opt/kukeon/main/cell.yaml', message: 'line 3: \u001b[31mwhat is this?' });
    const { status, stdout, stderr } = await get('cells', '-o', 'name');
    spoilt.delete('x');
    expect(status).toBe(0);
    expect(stderr).toBe('warning: /opt/kukeon/main/cell.yaml: line 3: \\x1b[31mwhat is this?\n');
    expect(names({ stdout })).toEqual(['cell/db', 'cell/web']);
  });
});
