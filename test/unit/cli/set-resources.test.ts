import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { type FakeKuke, kukeOnFakes, readyKuke } from './kuke-on-fakes.ts';

let fake: FakeKuke;
beforeEach(async () => {
  fake = await readyKuke();
  const containers = '[{ id: web, image: busybox, root: true }, { id: side, image: busybox }]';
  const { status, stderr } = await fake.kuke('apply', '-f', fake.file('web.yaml', cellYaml('web', containers)));
  if (status !== 0) throw new Error(stderr);
});
afterEach(() => fake.remove());

const WEB = 'cell main/default/default/web';
const LEAF = '/kukeon/main/default/default/web/side';
const set = (...argv: string[]) => fake.kuke('set', 'resources', ...argv);

interface Spec {
  resources?: object;
  containers?: { id: string; resources?: object }[];
}
async function specOf(...words: string[]): Promise<Spec> {
  return JSON.parse((await fake.kuke('get', ...words, '-o', 'json')).stdout).spec;
}

describe('kuke set resources', () => {
  test.each([
    [['realm', 'main'], 'realm main'],
    [['space', 'default'], 'space main/default'],
    [['stack', 'default'], 'stack main/default/default'],
    [['cell', 'web'], 'cell main/default/default/web'],
  ])('%j: the stored manifest changes, and says what of it', async (words, name) => {
    const { status, stdout, stderr } = await set(...words, '--memory', '512Mi', '--cpu', '1.5');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toBe(
      `${name} updated\n  spec.resources.cpu.limit: added 1.5\n  spec.resources.memory.limit: added 512Mi\n`,
    );
    expect((await specOf(...words)).resources).toEqual({ cpu: { limit: 1.5 }, memory: { limit: '512Mi' } });
    expect((await set(...words, '--memory', '0.5Gi')).stdout).toBe(`${name} unchanged\n`);
    expect((await set(...words, '--memory', '1Gi', '--cpu', 'none')).stdout).toBe(
      `${name} updated\n  spec.resources.cpu.limit: removed (was 1.5)\n  spec.resources.memory.limit: 512Mi → 1Gi\n`,
    );
    await set(...words, '--memory', 'none');
    expect(await specOf(...words)).not.toHaveProperty('resources');
  });

  test('of a container: in its cell, and no other container changes', async () => {
    const { status, stdout } = await set(
      'container',
      'SIDE',
      '--cell',
      'web',
      '--pids',
      '100',
      '--hugepages',
      '2Mi=4Mi',
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(/^cell main\/default\/default\/web updated\n/);
    expect(stdout).toContain('  spec.containers[side].resources.pids.limit: added 100\n');
    expect((await specOf('cell', 'web')).containers).toEqual([
      { id: 'web', image: 'busybox', root: true },
      { id: 'side', image: 'busybox', resources: { pids: { limit: 100 }, hugepages: { '2Mi': '4Mi' } } },
    ] as Spec['containers'] & object);
  });

  test('runs nothing anew', async () => {
    const started = () => fake.host.calls.filter(({ action }) => action === 'runtime.start').length;
    const before = started();
    await set('cell', 'web', '--memory', '512Mi');
    await set('container', 'web', '--cell', 'web', '--memory', '256Mi');
    await set('space', 'default', '--pids', '1000');
    expect(started()).toBe(before);
  });

  test('of a container that takes its limits from its space: those that are not named stay, and none lifts one', async () => {
    const container = { resources: { memory: { limit: '64Mi' }, pids: { limit: 50 } } };
    const space = {
      apiVersion: 'v1beta1',
      kind: 'Space',
      metadata: { name: 'default' },
      spec: { realmId: 'main', defaults: { container } },
    };
    const put = () => fake.kuke('apply', '-f', fake.file('space.yaml', JSON.stringify(space)));
    await put();
    const side = (...flags: string[]) => set('container', 'side', '--cell', 'web', ...flags);
    const own = async () => (await specOf('cell', 'web')).containers?.[1]?.resources;
    const values = () => Object.fromEntries(fake.host.cgroups.get(LEAF)?.values ?? []);
    expect((await side('--memory', '64Mi', '--cpu', 'none')).stdout).toBe(`${WEB} unchanged\n`);
    expect(await own()).toBeUndefined();
    const { stdout } = await side('--pids', '100');
    expect(stdout).toContain('`side` takes its limits from space main/default no more');
    expect([await own(), values()]).toEqual([
      { memory: { limit: '64Mi' }, pids: { limit: 100 } },
      { 'memory.limit': 64 * 2 ** 20, 'pids.limit': 100 },
    ]);
    expect((await side('--pids', 'none')).stdout).not.toContain('no more');
    await side('--memory', 'none');
    expect([await own(), values()]).toEqual([{}, {}]);
    expect((await side('--memory', 'none')).stdout).toBe(`${WEB} unchanged\n`);
  });

  describe('and does nothing else', () => {
    const done = (from: number) =>
      fake.host.calls.slice(from).flatMap(({ action }) => (/^(runtime|network)\./.test(action) ? [action] : []));
    const defaults = '{ container: { user: nobody } }';
    const space = `{ apiVersion: v1beta1, kind: Space, metadata: { name: default }, spec: { realmId: main, defaults: ${defaults} } }`;

    test('where containers have to be made anew, they run on, and the person is told', async () => {
      expect((await fake.kuke('apply', '-f', fake.file('space.yaml', space))).status).toBe(0);
      const before = fake.host.calls.length;
      for (const words of [
        ['cell', 'web'],
        ['container', 'web', '--cell', 'web'],
      ]) {
        const { status, stdout } = await set(...words, '--pids', '50');
        expect([status, stdout]).toEqual([0, expect.stringContaining('apply it for that\n')]);
      }
      expect(done(before)).toEqual([]);
      expect(fake.host.cgroups.get('/kukeon/main/default/default/web/web_root')?.values?.get('pids.limit')).toBe(50);
    });

    test('what a reboot has ended stays ended, and has its limits with the next start', async () => {
      fake.host.reboot();
      await fake.kuke('get', 'cells');
      await set('realm', 'main', '--pids', '500'); // makes what is due anyway
      const before = fake.host.calls.length;
      const { status, stdout } = await set('cell', 'web', '--pids', '50');
      expect([status, stdout]).toEqual([0, expect.stringContaining('spec.resources.pids.limit: added 50\n')]);
      expect(done(before)).toEqual([]);
      expect(fake.host.cgroups.has('/kukeon/main/default/default/web')).toBe(false);
      expect((await set('cell', 'web', '--cpu', '5000')).status).toBe(2);
      await fake.kuke('start', 'cell', 'web');
      expect(fake.host.cgroups.get('/kukeon/main/default/default/web')?.values?.get('pids.limit')).toBe(50);
    });

    test('a space whose network cannot be put right is limited', async () => {
      fake.host.faults.fail('network.define', new Error('no'), { nth: 'every' });
      fake.host.reboot();
      expect((await set('space', 'default', '--pids', '50')).status).toBe(0);
    });
  });

  test.each([
    [
      ['cell', 'web', '--memory', '0'],
      'spec.resources.memory.limit: must be more than 0 (give --memory another value)',
    ],
    [['cell', 'web', '--memory-high', '1gb'], 'spec.resources.memory.high: `gb` is no suffix'],
    [['cell', 'web', '--cpu-weight', 'much'], 'spec.resources.cpu.weight: must be a whole number from 1 to 10000'],
    [['cell', 'web', '--cpuset', 'x'], 'spec.resources.cpu.cpuset: must be a list of CPUs'],
    [['cell', 'web', '--memory=-1'], 'spec.resources.memory.limit: must be a quantity without a minus'],
    [
      ['container', 'side', '--cell', 'web', '--pids', '0.5'],
      'spec.containers[1].resources.pids.limit: must be at least 1',
    ],
    [['cell', 'web', '--device', '/tmp/x:readBps=4'], 'spec.resources.io.devices[0].path: must be a device'],
  ])('%j: the fault names the field, and the flag is what is to be mended', async (words, why) => {
    await set('cell', 'web', '--memory', '512Mi');
    const before = await specOf('cell', 'web');
    const { status, stdout, stderr } = await set(...words);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(`: ${why}`);
    expect(stderr).toMatch(/\(give --[a-z-]+ another value\)\n/);
    expect(await specOf('cell', 'web')).toEqual(before);
  });

  test.each([
    [2, ['cell', 'web'], '`kuke set resources cell web --memory 512Mi --cpu 1.5`'],
    [2, ['cell', 'web', '--mem', '1Gi'], 'unknown flag --mem; did you mean'],
    [2, ['cell', '--memory', '1Gi'], 'NAME is needed'],
    [2, ['container', 'side', '--memory', '1Gi'], '--cell is needed'],
    [2, ['realm', 'main', '--cell', 'web', '--memory', '1Gi'], '--cell has no meaning for a realm'],
    [2, ['sell', 'web', '--memory', '1Gi'], 'did you mean `cell`?'],
    [3, ['cell', 'nothing', '--memory', '1Gi'], 'not found; there: web'],
    [3, ['container', 'nothing', '--cell', 'web', '--memory', '1Gi'], 'not found; there: web, side'],
    [3, ['container', 'web', '--cell', 'nothing', '--memory', '1Gi'], 'not found; there: web'],
  ])('exit code %d: kuke set resources %j', async (code, words, why) => {
    const { status, stdout, stderr } = await set(...words);
    expect([status, stdout]).toEqual([code, '']);
    expect(stderr).toContain(why);
  });

  test.each([
    [['--device', 'x'], '--device: `x` is not'],
    [['--device', '/dev/vda:reads=1'], '--device: `reads=1` is not one of'],
    [['--hugepages', '2Mi'], '--hugepages: `2Mi` is not'],
  ])('%j: what cannot be taken apart points to this command’s help', async (flags, why) => {
    const { status, stderr } = await set('cell', 'web', ...flags);
    expect([status, stderr]).toEqual([2, expect.stringContaining(why)]);
    expect(stderr).toContain('(see `kuke set resources --help`)');
  });

  test('none lifts what was written by hand, and says what is left else', async () => {
    await set('cell', 'web', '--memory', '512Mi');
    const values = () => fake.host.cgroups.get('/kukeon/main/default/default/web')?.values;
    values()?.set('memory.limit', 2 ** 20);
    const told = await set('cell', 'web', '--pids', '9');
    expect(told.stdout).toContain(
      'spec.resources.memory.limit (512Mi) is not in force: memory.max was set by hand to 1Mi',
    );
    expect((await set('cell', 'web', '--pids', '8', '--strict')).status).toBe(5);
    expect((await set('cell', 'web', '--memory', 'none')).stdout).toContain('removed (was 512Mi)');
    expect(Object.fromEntries(values() ?? [])).toEqual({ 'pids.limit': 9 });
  });

  test('what the host cannot enforce is told, and refused with --strict', async () => {
    fake.host.controllers.delete('memory');
    const strict = await set('cell', 'web', '--memory', '512Mi', '--strict');
    expect([strict.status, strict.stdout + strict.stderr]).toEqual([5, expect.stringContaining('memory')]);
    expect(await specOf('cell', 'web')).not.toHaveProperty('resources');
    const told = await set('cell', 'web', '--memory', '512Mi');
    expect([told.status, told.stdout]).toEqual([0, expect.stringContaining('memory.limit')]);
    expect(told.stdout).toMatch(/not enforced/i);
  });

  test('is root’s, on a host that is set up', async () => {
    const bare = kukeOnFakes();
    expect((await bare.kuke('set', 'resources', 'realm', 'main', '--pids', '9')).status).toBe(5);
    bare.remove();
    const other = kukeOnFakes({ uid: 1000 });
    expect((await other.kuke('set', 'resources', 'realm', 'main', '--pids', '9')).stderr).toContain('you are not root');
    other.remove();
  });
});

describe('kuke get --resources', () => {
  const rows = async (...argv: string[]) =>
    (await fake.kuke('get', ...argv, '--resources')).stdout
      .trimEnd()
      .split('\n')
      .slice(1)
      .map(line => line.split(/ {2,}/));

  test('limits beside what is used, the lowest limit of all levels', async () => {
    await set('cell', 'web', '--cpu', '1.5', '--memory', '512Mi', '--pids', '100');
    await set('space', 'default', '--memory', '256Mi');
    const [web] = await rows('cells');
    expect(web).toEqual([
      'web',
      '1.5',
      expect.stringMatching(/^\d\S*\/256Mi$/),
      expect.stringMatching(/^\d+\/100$/),
      '-',
    ]);
    expect((await rows('spaces'))[0]?.slice(1, 3)).toEqual(['-', expect.stringMatching(/\/256Mi$/)]);
    expect(await rows('co', '--cell', 'web')).toHaveLength(2);
  });

  test('what is not enforced is no limit', async () => {
    fake.host.controllers.delete('cpu');
    await set('cell', 'web', '--cpu', '1.5');
    const [web] = await rows('cells', '-o', 'wide');
    expect([web?.[1], web?.[6], web?.[7]]).toEqual(['-', 'cpu.limit=1.5', expect.stringContaining('cpu')]);
  });
});
