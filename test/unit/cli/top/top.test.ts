import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { cellYaml } from '../../kernel/kernel-on-fakes.ts';
import { type FakeKuke, readyKuke } from '../kuke-on-fakes.ts';

let fake: FakeKuke;
beforeAll(async () => {
  fake = await readyKuke();
  await fake.kuke('create', 'realm', 'lab');
  const containers = '[{ id: web, image: busybox, root: true }, { id: side, image: busybox }]';
  const { status, stderr } = await fake.kuke('apply', '-f', fake.file('web.yaml', cellYaml('web', containers)));
  if (status !== 0) throw new Error(stderr);
});
afterAll(() => fake.remove());

const top = (...argv: string[]) => fake.kuke('top', '--interval', '100ms', ...argv);

interface Sample {
  sampledAt: string;
  seconds: number;
  total: { cgroup: string };
  items: { kind: string; name: string; path: string[]; cgroup: string }[];
}

describe('kuke top', () => {
  test('into a pipe: one sample, indented by level', async () => {
    const { status, stdout, stderr } = await top();
    expect([status, stderr]).toEqual([0, '']);
    const names = stdout.split('\n').map(line => /^ *\S*/.exec(line)?.[0]);
    expect(names).toEqual(['NAME', 'kukeon', '  lab', '  main', '    default', '      default', '        web', '']);
    expect(stdout).toMatch(/^NAME +CPU% +MEMORY +LIMIT +READ\/S +WRITE\/S +PIDS +CPU-PSI +MEM-PSI +IO-PSI$/m);
    expect(stdout).not.toContain('\u001b');
  });

  test('-o json: which group is which resource, containers too', async () => {
    const sample: Sample = JSON.parse((await top('-o', 'json', '--level', 'container', '--realm', 'MAIN')).stdout);
    expect(Date.parse(sample.sampledAt)).toBeGreaterThan(0);
    expect(sample.seconds).toBeGreaterThan(0);
    expect(sample.total.cgroup).toBe('/kukeon');
    const cell = '/kukeon/main/default/default/web';
    expect(sample.items.map(({ kind, path, cgroup }) => [kind, path.join('/'), cgroup])).toEqual([
      ['Realm', 'main', '/kukeon/main'],
      ['Space', 'main/default', '/kukeon/main/default'],
      ['Stack', 'main/default/default', '/kukeon/main/default/default'],
      ['Cell', 'main/default/default/web', cell],
      ['Container', 'main/default/default/web/side', `${cell}/side`],
      ['Container', 'main/default/default/web/web', `${cell}/web_root`],
    ]);
  });

  test.each([
    ['realm', ['lab', 'main']],
    ['space', ['lab', 'main', 'default']],
    ['stack', ['lab', 'main', 'default', 'default']],
  ])('--level %s', async (level, expected) => {
    const sample: Sample = JSON.parse((await top('-o', 'json', '--level', level)).stdout);
    expect(sample.items.map(({ name }) => name)).toEqual(expected);
  });

  test.each([
    [
      ['--cell', 'web'],
      ['main', 'default', 'default', 'web'],
    ],
    [
      ['--stack', 'default', '--level', 'cell'],
      ['main', 'default', 'default', 'web'],
    ],
    [['--realm', 'lab'], ['lab']],
  ])('%j shows those alone, and what they lie in', async (flags, expected) => {
    const sample: Sample = JSON.parse((await top('-o', 'json', ...flags)).stdout);
    expect(sample.items.map(({ name }) => name)).toEqual(expected);
  });

  test('what cannot be read is a warning, and the rest is shown', async () => {
    fake.host.store.spoilt.set('x', { path: '/opt/kukeon/x/realm.yaml', message: 'line 3: what is this?' });
    const { status, stdout, stderr } = await top('-o', 'json');
    fake.host.store.spoilt.delete('x');
    expect([status, stderr]).toEqual([0, 'warning: /opt/kukeon/x/realm.yaml: line 3: what is this?\n']);
    expect(JSON.parse(stdout).items.length).toBeGreaterThan(0);
  });

  test('a realm in which nothing is yet', async () => {
    const sample: Sample = JSON.parse((await top('-o', 'json', '--realm', 'lab')).stdout);
    expect(sample.items.map(({ name }) => name)).toEqual(['lab']);
  });

  test.each([
    [3, ['--realm', 'lba'], 'no realm with --realm lba; there: lab, main'],
    [
      3,
      ['--realm', 'lab', '--stack', 'default'],
      'no stack with --realm lab --stack default; there: main/default/default',
    ],
    [2, ['--level', 'space', '--stack', 'default'], '--stack has no meaning with --level space'],
    [2, ['--level', 'sel'], 'there is no kind `sel`; did you mean `cell`?'],
    [2, ['--sort', 'mem'], 'did you mean'],
    [2, ['--last', '2h'], '--last: give 20s to 1h'],
    [2, ['--last', '1h', '--sort', 'pids'], '--sort pids'],
    [3, ['--last', '1h', '--cell', 'wbe'], 'no cell with --cell wbe'],
    [5, ['--last', '1h'], 'is kept by kukeond, which does not answer at /run/kukeon/kukeond'],
    [2, ['--interval=1ms'], '--interval'],
  ])('exit code %d: kuke top %j', async (code, argv, why) => {
    const { status, stdout, stderr } = argv.some(word => /^--(?:interval|last)/.test(word))
      ? await fake.kuke('top', ...argv)
      : await top(...argv);
    expect([status, stdout]).toEqual([code, '']);
    expect(stderr).toContain(why);
  });

  test('--interval is of readings that are made now', async () => {
    expect(await top('--last', '1h')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--interval has no'),
    });
  });
});

describe('kuke get --resources', () => {
  test.each([
    [['realms'], /^NAME +CPU-LIMIT +MEMORY +PIDS +NOT-ENFORCED\nlab .*\nmain .*\n$/],
    [['cells', '-A'], /^REALM +SPACE +STACK +NAME +CPU-LIMIT .*\nmain +default +default +web .*\n$/],
    [
      ['containers', '--cell', 'web', '-o', 'wide'],
      /^CELL +NAME +CPU-LIMIT .* OTHER-LIMITS +MANUAL +NOT-ENFORCED +WHY\nweb +web .*\nweb +side .*\n$/,
    ],
  ])('%j: every kind has the same columns', async (argv, expected) => {
    const { status, stdout } = await fake.kuke('get', ...argv, '--resources');
    expect([status, stdout]).toEqual([0, expect.stringMatching(expected)]);
  });

  test('without a KIND it is of all levels', async () => {
    const { status, stdout } = await fake.kuke('get', '--resources');
    expect([status, stdout.split('\n').map(line => line.split(/ +/).slice(0, 2).join(' '))]).toEqual([
      0,
      [
        'KIND NAME',
        'realm lab',
        'realm main',
        'space main/default',
        'stack main/default/default',
        'cell main/default/default/web',
        'container main/default/default/web/side',
        'container main/default/default/web/web',
        '',
      ],
    ]);
    expect((await fake.kuke('get', '--resources', '--realm', 'LAB', '--no-headers')).stdout).toMatch(
      /^realm +lab .*\n$/,
    );
    for (const argv of [[], ['-A'], ['--resources', '-w'], ['--resources', '--sort-by', 'NAME']])
      expect(await fake.kuke('get', ...argv)).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('kuke get cells'),
      });
  });

  test('a cell tells of its containers’ too, and wide of limits without a column', async () => {
    const set = (...argv: string[]) => fake.kuke('set', 'resources', ...argv);
    fake.host.controllers.delete('memory');
    await set('container', 'side', '--cell', 'web', '--memory', '64Mi');
    await set('cell', 'web', '--cpuset', '0', '--io-weight', '50', '--cpu', '1');
    fake.host.cgroups.get('/kukeon/main/default/default/web/web_root')?.values?.set('pids.limit', 7);
    const [header = '', row = ''] = (await fake.kuke('get', 'cells', '--resources', '-o', 'wide')).stdout.split('\n');
    const shown = Object.fromEntries(header.split(/ {2,}/).map((name, i) => [name, row.split(/ {2,}/)[i]]));
    fake.host.controllers.add('memory');
    expect(shown).toMatchObject({
      'CPU-LIMIT': '1',
      'OTHER-LIMITS': 'cpu.cpuset=0,io.weight=50',
      'NOT-ENFORCED': 'side:memory.limit=64Mi',
      WHY: 'no cgroup controller memory',
    });
  });

  test('is no format for scripts', async () => {
    const { status, stderr } = await fake.kuke('get', 'cells', '--resources', '-o', 'json');
    expect([status, stderr]).toEqual([2, expect.stringContaining('kuke top -o json')]);
  });
});
