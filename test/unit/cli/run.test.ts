import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { type FakeKuke, readyKuke } from './kuke-on-fakes.ts';

let fake: FakeKuke;
let before: string[];
beforeEach(async () => {
  fake = await readyKuke();
  before = fake.host.inventory();
});
afterEach(() => fake.remove());

const run = (...argv: string[]) => fake.kuke('run', ...argv);
const cells = async () => (await fake.kuke('get', 'cells', '-o', 'name')).stdout;

describe('run', () => {
  test('ends with the code of what runs, in a cell of its own whose name is told', async () => {
    const { status, stderr } = await run('busybox', '--', 'sh', '-c', 'exit 3');
    expect(status).toBe(3);
    expect(stderr).toMatch(/^in cell busybox-[a-z]{6}\n$/);
    expect(await cells()).toMatch(/^cell\/busybox-[a-z]{6}\n$/);
  });

  test('--rm leaves nothing of it but what the space keeps, however it ended', async () => {
    expect(await run('--rm', '--name', 'web', 'busybox', '--', 'sh', '-c', 'exit 4')).toMatchObject({ status: 4 });
    expect(await cells()).toBe('');
    const left = fake.host.inventory().filter(line => line.includes('web') && !line.startsWith('log '));
    expect(left).toEqual([]);
  });

  test('-d prints the name of the cell and leaves it running', async () => {
    expect(await run('-d', '--name', 'web', '-e', 'A=b', 'busybox')).toEqual({
      status: 0,
      stdout: 'web\n',
      stderr: '',
    });
    expect(await cells()).toBe('cell/web\n');
    const { stdout } = await fake.kuke('get', 'cell', 'web', '-o', 'json');
    expect(JSON.parse(stdout).spec.containers).toEqual([{ id: 'main', image: 'busybox', env: ['A=b'] }]);
    const again = await run('--name', 'web', '--stack', 'default', 'busybox');
    expect(again.status).toBe(4);
    expect(again.stderr).toContain('`kuke delete cell web --cascade --stack default`');
  });

  test.each([
    ['-i', { stdin: true, stdinOnce: true }],
    ['-t', { tty: true }],
    ['-dit', { tty: true, stdin: true }],
    ['-di', { stdin: true }],
  ])('%s is what the manifest says of its input', async (flag, said) => {
    const { status } = await run(flag, '--name', 'web', 'busybox', '--', 'sh', '-c', 'exit 0');
    expect(status).toBe(0);
    const { stdout } = await fake.kuke('get', 'cell', 'web', '-o', 'json');
    expect(JSON.parse(stdout).spec.containers[0]).toMatchObject(said);
    expect(Object.keys(JSON.parse(stdout).spec.containers[0])).toHaveLength(3 + Object.keys(said).length);
  });

  test('--rm -d is for kukeond to delete, where that runs', async () => {
    const { daemon } = fake.program;
    fake.program.daemon = async () => ({ ...(await daemon()), runningDaemon: () => ({ pid: 1, command: 'kukeond' }) });
    const { status } = await run('--rm', '-d', '--name', 'web', 'busybox');
    fake.program.daemon = daemon;
    expect(status).toBe(0);
    expect(JSON.parse((await fake.kuke('get', 'cell', 'web', '-o', 'json')).stdout).spec.autoDelete).toBe(true);
  });

  test.each([
    [['-it', 'busybox'], 2, '-t: standard input is not a terminal (leave out -t: `run -i` passes on'],
    [['-it', '--detach-keys', 'ctrl-1', 'busybox'], 2, 'is not a terminal'],
    [['--detach-keys', 'ctrl-1', 'busybox'], 2, '--detach-keys: `ctrl-1` is no key'],
    [['-d', '--rm', 'busybox'], 2, 'leave out one of them'],
    [['-v', 'data:/srv', 'busybox'], 2, '`data` is not a path'],
    [['-p', '80', 'busybox'], 2, 'error: --publish: must be [IP:]HOST:CONTAINER'],
    [['-w', 'tmp', 'busybox'], 2, 'error: --workdir: must be an absolute path (see `kuke run --help`)'],
    [['Busybox'], 2, 'error: IMAGE: is no image name: the repository must be lower case; did you mean `busybox`?'],
    [['--name', 'a_b', 'busybox'], 2, 'error: --name: `a_b` is not a name'],
    [['--stack', 'nope', 'busybox'], 3, 'nope'],
  ])('%j is refused, and nothing is left', async (argv, status, message) => {
    const ran = await run(...argv);
    expect(ran).toMatchObject({ status, stdout: '' });
    expect(ran.stderr).toContain(message);
    expect(fake.host.inventory()).toEqual(before);
  });
});
