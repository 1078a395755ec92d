// through kukeond, too
// containerd: once, since it is about formats; what a status says of containers is held on each version by states.test.ts.
/** get: in every format, from every scope, by label (spec.md §7). */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Cell, cell, container, IMAGE, manifest } from './cells.ts';
import { apply, failing, kuke, run } from './kuke.ts';
import { type ReadyHost, readyHost } from './ready-host.ts';

let host: ReadyHost;
beforeAll(async () => {
  host = await readyHost();
  await apply(
    {
      ...cell('web', [container('main'), container('side')]),
      metadata: { name: 'web', labels: { app: 'shop', tier: 'front' } },
    },
    { ...cell('db', [container('main')]), metadata: { name: 'db', labels: { app: 'shop', tier: 'db' } } },
    manifest('Stack', 'blog'),
    cell('page', [], { stackId: 'blog' }),
  );
});
afterAll(() => host.containerd.stop());

const lines = async (...args: string[]) => (await kuke('get', ...args)).trimEnd().split('\n');
const words = async (...args: string[]) => (await lines(...args)).map(line => line.split(/ {2,}/));

test('tables, aligned and without colour for who is no terminal', async () => {
  expect(await words('cells')).toEqual([
    ['NAME', 'STATE', 'READY', 'RESTARTS', 'ADDRESS'],
    ['db', 'Ready', '1/1', '0', expect.stringMatching(/^10\.88\.0\.\d+$/)],
    ['web', 'Ready', '2/2', '0', expect.stringMatching(/^10\.88\.0\.\d+$/)],
  ]);
  expect(await words('realms')).toEqual([
    ['NAME', 'STATE', 'NAMESPACE'],
    ['main', 'Ready', 'kukeon-main'],
  ]);
  expect(await words('spaces')).toEqual([
    ['NAME', 'STATE', 'SUBNET', 'BRIDGE'],
    ['default', 'Ready', '10.88.0.0/16', expect.stringMatching(/^kuke-/)],
  ]);
  expect(await words('stacks')).toEqual([
    ['NAME', 'STATE', 'CGROUP'],
    ['blog', 'Ready', '/kukeon/main/default/blog'],
    ['default', 'Ready', '/kukeon/main/default/default'],
  ]);
  expect(await words('containers', '--cell', 'web')).toEqual([
    ['CELL', 'NAME', 'STATE', 'PID', 'RESTARTS', 'EXIT', 'IMAGE'],
    ['web', 'main', 'Running', expect.stringMatching(/^\d+$/), '0', IMAGE],
    ['web', 'side', 'Running', expect.stringMatching(/^\d+$/), '0', IMAGE],
  ]);
  for (const kind of ['cells', 'realms', 'spaces', 'stacks', 'containers']) {
    const { stdout } = await run(['get', kind], {
      env: { FORCE_COLOR: '1', CLICOLOR_FORCE: '1', NO_COLOR: undefined },
    });
    expect(stdout).not.toContain('\u001b');
  }
});

test('-o wide has more columns', async () => {
  for (const kind of ['cells', 'realms', 'spaces', 'containers']) {
    const [narrow, wide] = [await words(kind), await words(kind, '-o', 'wide')];
    expect(wide[0]?.length).toBeGreaterThan(narrow[0]?.length ?? 0);
    expect(wide).toHaveLength(narrow.length);
  }
});

test('kinds go by singular, plural and alias, in any case', async () => {
  const expected = await kuke('get', 'cells', '-o', 'name');
  expect(expected).toBe('cell/db\ncell/web\n');
  for (const word of ['cell', 'ce', 'Cell', 'CELLS']) expect(await kuke('get', word, '-o', 'name')).toBe(expected);
  for (const [alias, name] of [
    ['r', 'realm/main'],
    ['sp', 'space/default'],
    ['st', 'stack/blog\nstack/default'],
    ['co', 'container/main\ncontainer/main\ncontainer/side'],
  ] as const) {
    expect(await kuke('get', alias, '-o', 'name')).toBe(`${name}\n`);
  }
});

test('json and yaml say the same: one resource by name as its manifest, else a list', async () => {
  const withoutTime = (text: string) => text.replaceAll(/"?observedAt"?: .*/g, '');
  for (const args of [
    ['cell', 'web'],
    ['cells'],
    ['realms'],
    ['containers', '-A'],
    ['container', 'side', '--cell', 'web'],
  ]) {
    const json = withoutTime(JSON.stringify(JSON.parse(await kuke('get', ...args, '-o', 'json')), null, 1)).replaceAll(
      /,(\s*[}\]])/g,
      '$1',
    );
    const yaml = Bun.YAML.parse(await kuke('get', ...args, '-o', 'yaml'));
    expect(withoutTime(JSON.stringify(yaml, null, 1)).replaceAll(/,(\s*[}\]])/g, '$1')).toBe(json);
  }
  const one = JSON.parse(await kuke('get', 'cell', 'web', '-o', 'json')) as Cell;
  expect(one).toMatchObject({
    apiVersion: 'v1beta1',
    kind: 'Cell',
    metadata: { name: 'web' },
    status: { state: 'Ready' },
  });
  expect(one.spec).toEqual({ containers: [container('main'), container('side')] });
  const list = JSON.parse(await kuke('get', 'cells', '-o', 'json')) as { items: Cell[] };
  expect(list).toMatchObject({ apiVersion: 'v1beta1', kind: 'List' });
  expect(list.items.map(({ metadata }) => metadata.name)).toEqual(['db', 'web']);
});

test('what is reported was observed just now', async () => {
  const asked = Date.now();
  const { status } = JSON.parse(await kuke('get', 'cell', 'web', '-o', 'json')) as Cell;
  expect(Date.parse(status.observedAt)).toBeGreaterThanOrEqual(asked - 1);
  for (const { startedAt } of status.containers) expect(startedAt).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

test('-A shows those of all scopes, and where they are', async () => {
  expect(await words('cells', '-A')).toEqual([
    ['REALM', 'SPACE', 'STACK', 'NAME', 'STATE', 'READY', 'RESTARTS', 'ADDRESS'],
    ['main', 'default', 'blog', 'page', 'Pending', '0/0', '0'],
    ['main', 'default', 'default', 'db', 'Ready', '1/1', '0', expect.any(String)],
    ['main', 'default', 'default', 'web', 'Ready', '2/2', '0', expect.any(String)],
  ]);
  expect(await words('cells', '--stack', 'blog')).toEqual([
    ['NAME', 'STATE', 'READY', 'RESTARTS', 'ADDRESS'],
    ['page', 'Pending', '0/0', '0'],
  ]);
});

test.each([
  ['app=shop', ['cell/db', 'cell/web']],
  ['app=shop,tier!=db', ['cell/web']],
  ['tier==db', ['cell/db']],
  ['!app', ['cell/page']],
  ['app', ['cell/db', 'cell/web']],
])('-l %s', async (selector, expected) => {
  expect((await kuke('get', 'cells', '-A', '-l', selector, '-o', 'name')).trim().split('\n')).toEqual(expected);
});

test('what is not there, and what is no kind', async () => {
  expect(await failing(3, 'get', 'cell', 'wbe')).toContain('there: db, web');
  expect(await failing(3, 'get', 'container', 'none', '--cell', 'web')).toContain('main, side');
  expect(await failing(3, 'get', 'cell', 'web', '--realm', 'nowhere')).toContain('nowhere');
  expect(await failing(2, 'get', 'cel')).toMatch(/cell/i);
  expect(await failing(2, 'get', 'cells', '-o', 'xml')).toContain('yaml');
  expect(await failing(2, 'get', 'cells', '-l', 'a b')).toContain('app=web');
  const empty = await run(['get', 'cells', '--stack', 'nothing']);
  expect(empty).toMatchObject({ status: 0, stdout: '' });
  expect(empty.stderr).toBe('no cells here; there is no stack main/default/nothing\n');
  expect(JSON.parse(await kuke('get', 'cells', '--stack', 'nothing', '-o', 'json'))).toMatchObject({ items: [] });
});

test('a damaged file is named with its path, and the rest is shown', async () => {
  const path = '/opt/kukeon/main/default/default/db/cell.yaml';
  const text = await Bun.file(path).text();
  await Bun.write(path, 'apiVersion: v1beta1\nkind: [Cell\n');
  const { status, stdout, stderr } = await run(['get', 'cells']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining(path) });
  expect(stdout).toContain('web');
  expect(stdout).not.toContain('db');
  expect(await failing(1, 'delete', 'cell', 'db', '--cascade')).toContain(path);
  expect(await apply(cell('web', [container('main'), container('side')], {}))).toContain('web');
  await Bun.write(path, text);
  expect(await kuke('get', 'cells')).toContain('db');
});
