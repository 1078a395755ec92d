/** describe and tree, on a fake host. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { cpuTime } from '../../../../src/cli/describe/lines.ts';
import { ago, operationRows } from '../../../../src/cli/describe/operations.ts';
import { isUtf8, treeRows } from '../../../../src/cli/tree/draw.ts';
import type { TreeNode } from '../../../../src/cli/tree/nodes.ts';
import { cellYaml } from '../../kernel/kernel-on-fakes.ts';
import { type FakeKuke, readyKuke } from '../kuke-on-fakes.ts';

let fake: FakeKuke;
beforeAll(async () => {
  fake = await readyKuke();
  await fake.kuke('create', 'realm', 'lab');
  const labelled = cellYaml('web').replace('{ name: web }', '{ name: web, labels: { app: blog, tier: front } }');
  await fake.kuke('apply', '-f', fake.file('cells.yaml', labelled));
  await fake.kuke('stop', 'cell', 'web');
});
afterAll(() => fake.remove());

const told = async (...argv: string[]) => (await fake.kuke(...argv)).stdout;

describe('kuke describe', () => {
  test('a cell: where it is, how it is, its network, its containers, what was done to it', async () => {
    const text = await told('describe', 'cell', 'web');
    expect(text).toMatch(/^Name: +web\nKind: +Cell\nRealm: +main\nSpace: +default\nStack: +default\n/);
    expect(text).toMatch(/^Labels: +app=blog\n +tier=front\n/m);
    expect(text).toMatch(/^State: +Stopped \(Requested\)\n +stopped on request\n/m);
    expect(text).toMatch(/^Spec:\n {2}desiredState: stopped\n/m);
    expect(text).toMatch(
      /^Containers:\n {2}web \(root\):\n {4}Image: +busybox\n {4}State: +Exited with exit code \d+\n/m,
    );
    expect(text).toContain('\nRecent operations:\n  none\n'); // a fake host keeps no files
    expect(text).not.toMatch(/undefined|\[object| $/m);
  });

  test.each([
    [
      'realm',
      'main',
      /^Images:\n {2}NAME .*\n {2}docker.io\/library\/busybox:latest|^Images:\n {2}NAME .*\n {2}busybox/m,
    ],
    ['realm', 'main', /^Spaces:\n {2}NAME +STATE.*\n {2}default +Ready/m],
    ['space', 'default', /^Network:\n[\s\S]*subnet: 10\.88\.0\.0\/16/m],
    ['stack', 'default', /^Cells:\n {2}NAME +STATE.*\n {2}web +Stopped +Requested/m],
    ['container', 'web', /^Kind: +Container\n[\s\S]*^Cell: +web\n[\s\S]*^Container:\n {2}Image: +busybox/m],
  ])('a %s', async (kind, name, pattern) => {
    expect(await told('describe', kind, name)).toMatch(pattern);
  });

  test('as JSON: one by name, else a list', async () => {
    const one = JSON.parse(await told('describe', 'cell', 'web', '-o', 'json'));
    expect(one).toMatchObject({
      manifest: { kind: 'Cell', metadata: { name: 'web' } },
      path: ['main', 'default', 'default', 'web'],
      children: [],
      usage: { path: '/kukeon/main/default/default/web' },
    });
    const { items } = JSON.parse(await told('describe', 'realms', '-o', 'json'));
    expect(items.map(({ manifest }: { manifest: { metadata: { name: string } } }) => manifest.metadata.name)).toEqual([
      'lab',
      'main',
    ]);
  });

  test('what is not there is told with what may be meant', async () => {
    const { status, stderr } = await fake.kuke('describe', 'cell', 'wbe');
    expect([status, stderr]).toEqual([3, expect.stringContaining('did you mean `web`?')]);
  });

  test('times', () => {
    expect([0, 35_400, 1_250_000, 125e6, 11_520e6].map(cpuTime)).toEqual(['0ms', '35ms', '1.25s', '2m 5s', '3h 12m']);
    expect([-5, 0, 59_000, 61_000, 7_200_000, 200_000_000].map(ago)).toEqual([
      '0s ago',
      '0s ago',
      '59s ago',
      '1m ago',
      '2h ago',
      '2d ago',
    ]);
    const at = '2026-11-21T20:00:00.123Z';
    const entry = { at, command: 'kuke x', result: 'updated', uid: 0, user: 'root', login: 'amy' };
    const rows = operationRows([{ ...entry, ms: 1500, steps: ['a', 'b'] }, entry], new Date('2026-11-21T20:01:05Z'));
    expect(rows.slice(1)).toEqual([
      ['2026-11-21T20:00:00Z (1m ago)', 'updated', '2', '1.5 s', 'root (amy)', 'kuke x'],
      ['2026-11-21T20:00:00Z (1m ago)', 'updated', '-', '-', 'root (amy)', 'kuke x'],
    ]);
  });
});

describe('kuke tree', () => {
  test('draws all, or what is in one, down to a level', async () => {
    const lines = (await told('tree'))
      .trimEnd()
      .split('\n')
      .map(line => line.split(/ {2,}/).slice(0, 2).join('|'));
    expect(lines).toContain('realm lab|Ready');
    expect(await told('tree', 'stack', 'default')).toMatch(
      /^NAME .*\nstack default .*\n\S+ cell web .*Stopped \(Requested\).*\n +\S+ container web /,
    );
    expect(await told('tree', '--level', 'space')).not.toContain('stack');
    const [lab, main] = JSON.parse(await told('tree', '-o', 'json'));
    expect(lab).toMatchObject({ kind: 'Realm', name: 'lab', state: 'Ready', children: [] });
    const [web] = main.children[0].children[0].children;
    expect(web).toMatchObject({
      kind: 'Cell',
      path: ['main', 'default', 'default', 'web'],
      children: [{ kind: 'Container', name: 'web' }],
    });
    expect(main.children[0]).toMatchObject({ kind: 'Space', addresses: '10.88.0.0/16' });
  });

  test.each([
    [['cell'], 'NAME is needed with KIND'],
    [['container', 'web'], 'nothing is in a container'],
    [['--stack', 'x'], '--stack has no meaning without KIND and NAME'],
    [['--level', 'cel'], 'did you mean `cell`?'],
    [['clel', 'web'], 'did you mean `cell`?'],
  ])('%j is refused', async (argv, why) => {
    expect(await fake.kuke('tree', ...argv)).toMatchObject({ status: 2, stderr: expect.stringContaining(why) });
  });

  const node = (name: string, ...children: TreeNode[]): TreeNode => ({
    kind: 'Cell',
    name,
    path: [name],
    state: 'Ready',
    children,
  });
  const forest = [node('a', node('b', node('c')), node('d', node('e'), node('f'))), node('g', node('h'))];
  const first = (utf8: boolean) =>
    treeRows(forest, { utf8 })
      .slice(1)
      .map(([cell]) => cell?.replace('cell ', ''));

  test('branches are lines where the locale has them, and else plain characters', () => {
    expect(first(true)).toEqual(['a', '├─ b', '│  └─ c', '└─ d', '   ├─ e', '   └─ f', 'g', '└─ h']);
    expect(first(false)).toEqual(['a', '|- b', '|  `- c', '`- d', '   |- e', '   `- f', 'g', '`- h']);
    expect(isUtf8({ LANG: 'en_GB.UTF-8' })).toBe(true);
    expect(isUtf8({ LANG: 'C.utf8' })).toBe(true);
    expect(isUtf8({ LANG: 'en_GB.UTF-8', LC_ALL: 'C' })).toBe(false);
    expect(isUtf8({ LC_ALL: '', LC_CTYPE: 'C.UTF-8', LANG: 'C' })).toBe(true);
    expect(isUtf8({})).toBe(false);
  });
});
