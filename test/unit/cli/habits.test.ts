/** What people type who come from kubectl and docker, and what they are told. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { addImage } from '../../fakes/index.ts';
import { cellYaml } from '../kernel/kernel-on-fakes.ts';
import { type FakeKuke, kukeOnFakes, readyKuke } from './kuke-on-fakes.ts';

let fake: FakeKuke;
beforeEach(async () => {
  fake = await readyKuke();
});
afterEach(() => fake.remove());

describe('version and help', () => {
  test('kuke --version is kuke version', async () => {
    expect(await fake.kuke('--version')).toEqual({ status: 0, stdout: 'kuke 1.2.3\n', stderr: '' });
    expect((await fake.kuke('-q', '--version')).stdout).toBe('kuke 1.2.3\n');
    expect(await fake.kuke('get', '--version')).toMatchObject({ status: 2, stdout: '' });
  });

  test.each([
    [['help'], ['--help']],
    [
      ['help', 'apply'],
      ['apply', '--help'],
    ],
    [
      ['help', 'image'],
      ['image', '--help'],
    ],
    [
      ['help', 'image', 'load'],
      ['image', 'load', '--help'],
    ],
  ])('kuke %j is kuke %j', async (asked, same) => {
    const { status, stdout } = await fake.kuke(...asked);
    expect([status, stdout]).toEqual([0, (await fake.kuke(...same)).stdout]);
    expect(stdout).toContain('Usage: kuke ');
  });

  test.each([
    [['help', 'aply']],
    [['help', 'apply', 'load']],
    [['help', 'image', 'lod']],
    [['help', 'image', 'ls', 'x']],
  ])('kuke %j is refused', async argv => {
    expect(await fake.kuke(...argv)).toMatchObject({ status: 2, stdout: '' });
  });

  test('-o=yaml is -o yaml', async () => {
    const { status, stdout } = await fake.kuke('get', 'cells', '-Ao=yaml');
    expect([status, stdout]).toEqual([0, (await fake.kuke('get', 'cells', '-A', '-o', 'yaml')).stdout]);
  });
});

describe('scopes', () => {
  test('a kind without scopes has none to look in elsewhere', async () => {
    const bare = kukeOnFakes();
    expect((await bare.kuke('get', 'r')).stderr).toBe('no realms\n');
    expect((await bare.kuke('get', 'sp')).stderr).toBe('no spaces here; -A shows those of all scopes\n');
    bare.remove();
  });

  test.each([
    [['create', 'realm', 'lab', '--space', 'dmz'], '--space has no meaning for a realm (leave it out)'],
    [
      ['create', 'space', 'x', '--stack', 'y'],
      '--stack has no meaning for a space (leave it out; it is found by --realm)',
    ],
    [['get', 'realms', '--realm', 'main'], '--realm has no meaning for a realm'],
    [['get', 'cells', '--cell', 'web'], '--cell has no meaning for a cell'],
    [['get', 'spaces', '-A', '--stack', 'x'], '--stack has no meaning for a space'],
    [
      ['delete', 'stack', 'x', '--stack', 'y'],
      '--stack has no meaning for a stack (leave it out; it is found by --realm, --space)',
    ],
    [['start', 'realm', 'main', '--space', 'x'], '--space has no meaning for a realm'],
    [['delete', '-f', '/dev/null', '--realm', 'lab'], '--realm has no meaning with -f FILE'],
  ])('kuke %j is refused', async (argv, why) => {
    const before = fake.host.inventory();
    const { status, stdout, stderr } = await fake.kuke(...argv);
    expect(stderr).toStartWith(`error: ${why}`);
    expect([status, stdout]).toEqual([2, '']);
    expect(fake.host.inventory()).toEqual(before);
  });
});

describe('names', () => {
  test.each(['start', 'stop', 'kill'])('%s tells the name as it is stored', async verb => {
    await fake.kuke('apply', '-f', fake.file('web.yaml', cellYaml('web')));
    if (verb === 'start') await fake.kuke('stop', 'cell', 'web');
    const { status, stdout } = await fake.kuke(verb, 'cell', 'WEB', '--stack', 'DEFAULT');
    expect([status, stdout]).toMatchObject([
      0,
      expect.stringMatching(/^cell main\/default\/default\/web (started|stopped|killed)\n$/),
    ]);
    expect((await fake.kuke('delete', 'cell', 'Web', '--cascade')).stdout).toBe(
      'cell main/default/default/web deleted\n',
    );
  });

  test.each([
    [['init', '--realm', 'a--b'], '--realm: `a--b` is not a name', 'give --realm such as'],
    [['init', '--space', 'a_b'], '--space: `a_b` is not a name', 'give --space such as'],
    [['create', 'realm', 'a--b'], 'NAME: `a--b` is not a name', 'give a NAME such as'],
  ])('kuke %j: the remedy is of what was typed', async (argv, why, remedy) => {
    const { status, stderr } = await fake.kuke(...argv);
    expect(status).toBe(2);
    expect(stderr).toContain(why);
    expect(stderr).toContain(remedy);
    expect(stderr).not.toContain('manifest');
  });
});

describe('images', () => {
  test('ls -q prints what rm takes, several at once', async () => {
    const namespace = fake.host.runtime.namespaces.get('kukeon-main');
    if (namespace) addImage(namespace, { name: 'other:1' });
    const { stdout } = await fake.kuke('image', 'ls', '-q');
    expect(stdout).toBe('docker.io/library/busybox:latest\ndocker.io/library/other:1\n');
    const removed = await fake.kuke('image', 'rm', ...stdout.trim().split('\n'));
    expect(removed).toMatchObject({ status: 0, stderr: '' });
    expect((await fake.kuke('image', 'ls', '-q')).stdout).toBe('');
    expect(await fake.kuke('image', 'ls', '-q', '-o', 'json')).toMatchObject({ status: 2, stdout: '' });
  });

  test('rm of one that is missing goes on with the others, and says where one looks', async () => {
    const { status, stdout, stderr } = await fake.kuke('image', 'rm', 'nope', 'busybox', '--realm', 'main');
    expect([status, stdout]).toEqual([3, 'removed busybox\n']);
    expect(stderr).toBe('error: nope is not in kukeon-main (see `kuke image ls --realm main`)\n');
  });
});
