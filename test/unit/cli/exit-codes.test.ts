import { afterEach, beforeEach, describe, expect, spyOn, test } from 'bun:test';
import { addImage } from '../../fakes/index.ts';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { type FakeKuke, kukeOnFakes, readyKuke } from './kuke-on-fakes.ts';

let fake: FakeKuke;
beforeEach(async () => {
  fake = await readyKuke();
});
afterEach(() => fake.remove());

const apply = (yaml: string, ...flags: string[]) => fake.kuke('apply', '-f', fake.file('given.yaml', yaml), ...flags);

describe('0: done', () => {
  test('init and create say what they made, and say unchanged the second time', async () => {
    const made = kukeOnFakes();
    expect(await made.kuke('init', '--realm', 'lab', '--space', 'dmz')).toEqual({
      status: 0,
      stdout: 'realm lab created\nspace lab/dmz created\nstack lab/dmz/default created\n',
      stderr: '',
    });
    expect((await made.kuke('init', '--realm', 'lab', '--space', 'dmz')).stdout).toBe(
      'realm lab unchanged\nspace lab/dmz unchanged\nstack lab/dmz/default unchanged\n',
    );
    expect((await made.kuke('create', 'stack', 'blog', '--realm', 'lab', '--space', 'dmz')).stdout).toBe(
      'stack lab/dmz/blog created\n',
    );
    expect((await made.kuke('create', 'st', 'blog', '--realm=lab', '--space=dmz')).stdout).toContain('unchanged');
    made.remove();
  });

  test('apply tells created, updated field by field, and unchanged', async () => {
    expect((await apply(cellYaml('web'))).stdout).toBe('cell main/default/default/web created\n');
    expect((await apply(cellYaml('web'))).stdout).toBe('cell main/default/default/web unchanged\n');
    const changed = cellYaml('web', '[{ id: web, image: busybox, root: true, args: [a, "b\\e[2Jc"] }]');
    expect((await apply(changed)).stdout).toBe(
      'cell main/default/default/web updated\n  spec.containers[web].args: added ["a","b\\u001b[2Jc"]\n',
    );
    const without = await apply(cellYaml('web', '[{ id: web, image: busybox:latest, root: true }]'));
    expect(without.stdout).toContain('  spec.containers[web].image: busybox → busybox:latest\n');
    expect(without.stdout).toContain('  spec.containers[web].args: removed (was ');
  });

  test('start, stop, kill and delete', async () => {
    await apply(cellYaml('web'));
    expect((await fake.kuke('stop', 'cell', 'web')).stdout).toBe('cell main/default/default/web stopped\n');
    expect((await fake.kuke('stop', 'cell', 'web')).stdout).toBe('cell main/default/default/web unchanged\n');
    expect((await fake.kuke('start', 'ce', 'web')).stdout).toBe('cell main/default/default/web started\n');
    expect((await fake.kuke('kill', 'cells', 'web')).stdout).toBe('cell main/default/default/web killed\n');
    expect(await fake.kuke('delete', 'cell', 'web', '--cascade')).toMatchObject({
      status: 0,
      stdout: 'cell main/default/default/web deleted\n',
    });
    expect(await fake.kuke('delete', 'cell', 'web', '--ignore-not-found')).toMatchObject({ status: 0 });
  });

  test('what reads works without containerd, and tells what it cannot know', async () => {
    await apply(cellYaml('web'));
    fake.host.runtime.up = false;
    const { status, stdout } = await fake.kuke('get', 'cells');
    expect(status).toBe(0);
    expect(stdout).toContain('Unknown');
  });

  test('uninstall, which asks unless told not to, leaves nothing', async () => {
    await apply(cellYaml('web'));
    expect(await fake.kuke('uninstall')).toMatchObject({ status: 2, stderr: expect.stringContaining('say --yes') });
    expect((await fake.kuke('uninstall', '--yes')).status).toBe(0);
    expect(fake.host.inventory()).toEqual([]);
  });
});

describe('1: failed', () => {
  test('with what, at which step, and why', async () => {
    fake.host.faults.fail('network.attach', new Error('numerical result out of range'));
    const { status, stdout, stderr } = await apply(cellYaml('web'));
    expect(status).toBe(1);
    expect(stdout).toBe('cell main/default/default/web failed\n');
    expect(stderr).toStartWith('error: cell main/default/default/web: network.attach: numerical result out of range');
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  test('is the first failure’s code, and the rest is done', async () => {
    const missing = cellYaml('b', '[{ id: a, image: nope }]');
    const { status, stdout } = await apply(
      `${missing}---${cellYaml('c').replace('stackId: default', 'stackId: none')}---${cellYaml('d')}`,
    );
    expect(stdout).toBe(
      'cell main/default/default/b failed\ncell main/default/none/c failed\ncell main/default/default/d created\n',
    );
    expect(status).toBe(3);
    fake.host.faults.fail('runtime.start', new Error('no'));
    expect((await apply(`${cellYaml('e')}---${missing}`)).status).toBe(1);
  });

  test('undoing that fails as well is told, a line each', async () => {
    fake.host.faults.fail('runtime.start', new Error('no start'));
    fake.host.faults.fail('cgroup.remove', new Error('busy'));
    const { stderr } = await apply(cellYaml('web'));
    const [error, also] = stderr.split('\n');
    expect(error).toContain('no start');
    expect(also).toStartWith('  also: cell main/default/default/web: undo cgroup.leaf: busy');
  });

  test('what is a bug of kuke’s says so', async () => {
    const list = spyOn(fake.host.store.manifests, 'values').mockImplementation(() => {
      throw new TypeError('undefined is not a function');
    });
    const { status, stderr } = await fake.kuke('get', 'cells');
    list.mockRestore();
    expect(status).toBe(1);
    expect(stderr).toBe('error: undefined is not a function (this is a bug in kuke: please report it)\n');
  });
});

describe('2: bad usage or an invalid manifest', () => {
  test.each([
    ['not YAML', 'kind: Cell\n  spec: {}', ':1:7: not valid YAML'],
    [
      'an unknown field',
      cellYaml('web').replace('image', 'imgae'),
      ':5:93: spec.containers[0].imgae: unknown field; did you mean `image`?',
    ],
    [
      'an unknown kind',
      cellYaml('web').replace('kind: Cell', 'kind: Cel'),
      ':3:1: unknown kind `Cel`; did you mean `Cell`?',
    ],
    ['another apiVersion', cellYaml('web').replace('v1beta1', 'v1'), ':2:1: apiVersion: must be "v1beta1", not "v1"'],
    ['an illegal name', cellYaml('a_b').replace('id: a_b, ', ''), ':4:13: metadata.name: `a_b` is not a name'],
    [
      'what nothing acts on',
      cellYaml('web', '[{ id: a, image: busybox, volumes: [{ kind: volume, target: /x }] }]'),
      'spec.containers[0].volumes[0].kind: is known, but',
    ],
    ['a name twice', `${cellYaml('web')}---${cellYaml('WEB')}`, 'cell main/default/default/web: is there as'],
    ['no document', '# nothing\n', 'there is no manifest in it'],
  ])('%s: nothing is applied, and its place is named', async (_, yaml, why) => {
    const before = fake.host.inventory();
    const { status, stdout, stderr } = await apply(
      `${yaml}${yaml.startsWith('#') ? '' : `\n---\n${cellYaml('fine')}`}`,
    );
    expect(stderr).toContain(why);
    expect([status, stdout]).toEqual([2, '']);
    expect(fake.host.inventory()).toEqual(before);
  });

  test('every fault of every file is told, and nothing is applied', async () => {
    const one = fake.file('one.yaml', cellYaml('one').replace('image', 'imgae'));
    const two = fake.file('two.yaml', cellYaml('two').replace('spaceId', 'spaceid'));
    const { status, stderr } = await fake.kuke('apply', '-f', one, '-f', two);
    expect(status).toBe(2);
    for (const fault of [
      `${one}:5:93: spec.containers[0].imgae`,
      'spec.containers[0].image: is missing',
      `${two}:5:33: spec.spaceid`,
    ]) {
      expect(stderr).toContain(fault);
    }
  });

  test.each([
    [['apply', '-f', '/no/such/file'], '-f /no/such/file: '],
    [['apply', '-f', '/tmp'], '-f /tmp: '],
    [['get', 'cells', '--run-path', 'here'], 'is given 2 times'],
    [['delete', 'cell'], 'KIND and NAME are needed, or -f FILE'],
    [['delete', 'container', 'web'], 'a Container is declared within its Cell'],
    [['create', 'container', 'web'], 'a Container is declared in the manifest of its Cell'],
    [['create', 'cell', 'a_b'], 'NAME: `a_b` is not a name'],
    [['create', 'cell', 'web', '--stack', '../x'], '--stack: `../x` is not a name'],
    [['start', 'realm', 'main'], 'a realm cannot be started'],
    [['stop', 'cell', 'web', '--timeout', 'soon'], '--timeout: `soon` is not a time'],
    [['get', 'planets'], 'there is no kind `planets`'],
    [['get', 'containers', '--cell', 'a b'], '--cell: `a b` is not a name'],
    [['image', 'load', '-i', '/no/such/file'], '-i /no/such/file: no such file'],
  ])('kuke %j', async (argv, why) => {
    const { status, stdout, stderr } = await fake.kuke(...argv);
    expect(stderr).toContain(why);
    expect([status, stdout]).toEqual([2, '']);
  });
});

describe('3: not found', () => {
  test.each([
    [['get', 'cell', 'none'], 'cell main/default/default/none: not found; there are none'],
    [['get', 'realm', 'none'], 'realm none: not found; there: main'],
    [['get', 'container', 'none', '--cell', 'web'], 'cell main/default/default/web: not found'],
    [['start', 'cell', 'none'], 'cell main/default/default/none: not found'],
    [
      ['delete', 'cell', 'none'],
      'cell main/default/default/none: not found; there are none (with --ignore-not-found this is no failure)',
    ],
    [
      ['create', 'cell', 'web', '--space', 'none'],
      'there is no space main/none (make it first: `kuke create space none --realm main`)',
    ],
    [['image', 'rm', 'nope'], 'nope is not in kukeon-main'],
    [['image', 'ls', '--realm', 'none'], 'realm none: not found; there: main'],
  ])('kuke %j', async (argv, why) => {
    const { status, stderr } = await fake.kuke(...argv);
    expect(stderr).toContain(why);
    expect(status).toBe(3);
  });
});

describe('4: conflict', () => {
  test('with what it holds, unless told to cascade', async () => {
    await apply(cellYaml('web'));
    const { status, stderr } = await fake.kuke('delete', 'cell', 'web');
    expect(stderr).toContain(
      'it has children: container main/default/default/web/web (delete them first, or say --cascade)',
    );
    expect(status).toBe(4);
  });

  test('of a field that is fixed, of a name in other case, of a cell without containers', async () => {
    const space = '{ apiVersion: v1beta1, kind: Space, metadata: { name: default }, spec: { cniConfigPath: /srv } }';
    expect((await apply(space)).status).toBe(4);
    expect((await fake.kuke('create', 'stack', 'Default')).status).toBe(4);
    await fake.kuke('create', 'cell', 'empty');
    expect(await fake.kuke('start', 'cell', 'empty')).toMatchObject({ status: 4 });
  });
});

describe('5: the host is not ready', () => {
  test('without containerd', async () => {
    fake.host.runtime.up = false;
    const { status, stderr } = await apply(cellYaml('web'));
    expect(status).toBe(5);
    expect(stderr).toContain('start containerd');
  });

  test('without kuke init', async () => {
    const raw = kukeOnFakes();
    for (const argv of [
      ['create', 'realm', 'lab'],
      ['image', 'ls'],
      ['apply', '-f', raw.file('a.yaml', cellYaml('a'))],
    ]) {
      expect(await raw.kuke(...argv)).toMatchObject({
        status: 5,
        stderr: expect.stringContaining('run `sudo kuke init` first'),
      });
    }
    raw.remove();
  });

  test('without root; what only reads does not need it', async () => {
    const user = kukeOnFakes({ uid: 1000 });
    const yaml = user.file('cell.yaml', cellYaml('web'));
    for (const argv of [
      ['init'],
      ['create', 'realm', 'lab'],
      ['apply', '-f', yaml],
      ['delete', 'cell', 'web'],
      ['stop', 'cell', 'web'],
      ['image', 'ls'],
      ['uninstall'],
    ]) {
      expect(await user.kuke(...argv)).toMatchObject({
        status: 5,
        stderr: expect.stringContaining('(run it with sudo)'),
      });
    }
    for (const argv of [['get', 'cells'], ['version'], ['plugin', 'list']]) {
      expect((await user.kuke(...argv)).status).toBe(0);
    }
    expect(user.host.calls).toEqual([]);
    user.remove();
  });
});

describe('6: timed out', () => {
  test('behind another kuke, which is named', async () => {
    fake.host.store.holder = { pid: 42, command: 'kuke apply -f big.yaml' };
    const { status, stderr } = await apply(cellYaml('web'), '--lock-timeout', '10ms');
    expect(status).toBe(6);
    expect(stderr).toMatch(/^error: .*kuke apply -f big\.yaml.*42.*--lock-timeout\)\n$/);
  });
});

describe('what goes where', () => {
  test('an error’s stack is shown on demand only', async () => {
    expect((await fake.kuke('get', 'planets')).stderr).not.toContain('at ');
    process.env.KUKE_DEBUG = '1';
    try {
      expect((await fake.kuke('get', 'planets')).stderr).toContain('KukeError');
    } finally {
      delete process.env.KUKE_DEBUG;
    }
  });

  test('images are listed, and removed', async () => {
    const namespace = fake.host.runtime.namespaces.get('kukeon-main');
    if (namespace) addImage(namespace, { name: 'other:1' });
    expect((await fake.kuke('image', 'ls', '-o', 'name')).stdout).toBe(
      'docker.io/library/busybox:latest\ndocker.io/library/other:1\n',
    );
    expect((await fake.kuke('image', 'ls')).stdout).toMatch(/^NAME +DIGEST +SIZE +PLATFORM +CREATED\n/);
    expect((await fake.kuke('image', 'rm', 'other:1')).stdout).toBe('removed other:1\n');
    expect(JSON.parse((await fake.kuke('image', 'ls', '-o', 'json')).stdout)).toHaveLength(1);
  });

  test('a version for people, and one for scripts', async () => {
    expect((await fake.kuke('version')).stdout).toBe('kuke 1.2.3\n');
    expect(JSON.parse((await fake.kuke('version', '-o', 'json')).stdout)).toMatchObject({ version: '1.2.3' });
  });
});
