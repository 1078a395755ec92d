/** Processes that are run in a running container: what they are, what goes in and out, how they end, and that nothing of them stays. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { ExecParams } from 'kuke/plugin';
import { context, eventually, failure } from '../../suites/contract.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { output } from '../observe/command.ts';
import { processes } from '../observe/system.ts';
import { containersOf, importImage, NAMESPACE, runtimeOn } from './runtime-under-test.ts';

const runtime = runtimeOn();
const { remove, running, stop } = containersOf(runtime);
let containerd: Containerd;
let pid: number;
beforeAll(async () => {
  containerd = await startContainerd();
  await runtime.createNamespace({ namespace: NAMESPACE }, context());
  await importImage(NAMESPACE, { config: { Env: ['PATH=/bin', 'FROM=image'], User: 'user', WorkingDir: '/srv' } });
  pid = await running('web', { env: ['OF=container'], capabilities: { add: [], drop: ['MKNOD'] } });
});
afterAll(async () => {
  await remove('web');
  await containerd.stop();
});
const leftIn = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);
afterEach(() => {
  expect([leftIn('/run/kukeon'), leftIn('/run/containerd/fifo')]).toEqual([[], []]);
});

type Asked = Partial<Omit<ExecParams, 'stdout' | 'stderr' | 'stdin'>> & {
  /** Path of what it reads. */
  stdin?: string;
  /** Path of what takes its output. */
  stdout?: string;
};

/** What it writes to files, and how it ends. */
async function exec(command: string[], { stdin, stdout, ...asked }: Asked = {}) {
  const [out, err] = [stdout ?? `/tmp/${crypto.randomUUID()}`, `/tmp/${crypto.randomUUID()}`];
  const streams = {
    stdout: openSync(out, 'w'),
    stderr: openSync(err, 'w'),
    ...(stdin !== undefined && { stdin: openSync(stdin, 'r') }),
  };
  try {
    const started = await runtime.exec({ namespace: NAMESPACE, id: 'web', command, env: [], ...asked, ...streams });
    const status = await started.exited;
    return { status, stdout: stdout === undefined ? readFileSync(out, 'utf8') : '', stderr: readFileSync(err, 'utf8') };
  } finally {
    for (const fd of Object.values(streams)) closeSync(fd);
    for (const path of [err, ...(stdout === undefined ? [out] : [])]) rmSync(path);
  }
}

const shell = (script: string, asked?: Asked) => exec(['/bin/sh', '-c', script], asked);

describe('it is what the container is', () => {
  test('user, folder, environment, capabilities, seccomp, cgroup and namespaces', async () => {
    const namespaces = ['net', 'pid', 'mnt', 'uts', 'ipc', 'cgroup'];
    const fields = ['CapBnd', 'CapEff', 'CapPrm', 'Seccomp', 'NoNewPrivs'];
    const script = `id; pwd; echo $FROM $OF $HOME [$TERM]; echo oops >&2; sleep 1001`;
    const started = shell(script);
    const inner = await eventually(
      async () => processes().find(({ command }) => command.join(' ') === 'sleep 1001')?.pid,
    );
    const read = (of: number, file: string) => readFileSync(`/proc/${of}/${file}`, 'utf8');
    const status = (of: number) => read(of, 'status').match(new RegExp(`^(?:${fields.join('|')}):.*$`, 'gm'));
    expect(status(inner)).toEqual(status(pid));
    expect(status(inner)).toHaveLength(fields.length);
    expect(read(inner, 'cgroup')).toBe(read(pid, 'cgroup'));
    const namespace = (of: number) => output('stat', '-Lc', '%i', ...namespaces.map(one => `/proc/${of}/ns/${one}`));
    expect(await namespace(inner)).toBe(await namespace(pid));
    process.kill(inner, 'SIGKILL');
    const { stdout, stderr } = await started;
    expect(stdout.split('\n')).toEqual([
      'uid=1000(user) gid=1000(user) groups=1000(user)',
      '/srv',
      'image container /home/user []',
      '',
    ]);
    expect(stderr).toBe('oops\n');
  });

  test('or what was asked for', async () => {
    const asked = { user: 'root:10', workingDir: '/tmp', env: ['OF=exec', 'NEW=1'] };
    const { stdout } = await shell('id; pwd; echo $FROM $OF $NEW $HOME', asked);
    expect(stdout).toBe('uid=0(root) gid=10 groups=10\n/tmp\nimage exec 1 /root\n');
  });

  test('users are those that it has now', async () => {
    await shell('echo late:x:77:77::/late:/bin/sh >> /etc/passwd', { user: 'root' });
    expect((await shell('id -u; echo $HOME', { user: 'late' })).stdout).toBe('77\n/late\n');
    const error = await failure(shell('id', { user: 'nobody' }), 'InvalidManifest');
    expect(error.message).toContain("no nobody in the image's /etc/passwd");
  });
});

describe('how it ends', () => {
  test.each([
    ['exit 0', 0],
    ['exit 200', 200],
    ['kill -TERM $$', 143],
    ['kill -KILL $$', 137],
  ])('%s: %d', async (script, status) => {
    expect((await shell(script)).status).toBe(status);
  });

  test.each([
    [['nope'], {}, 'ProgramNotFound', 'nope'],
    [['/nope'], {}, 'ProgramNotFound', '/nope'],
    [['/srv/file'], {}, 'ProgramNotExecutable', '/srv/file'],
    [['/etc'], {}, 'ProgramNotExecutable', '/etc'],
    [['true'], { workingDir: '/nope' }, 'ProgramNotExecutable', '/nope'],
  ] as const)('%j %j: %s', async (command, asked, code, named) => {
    expect((await failure(exec([...command], asked), code)).message).toContain(named);
  });

  test('what it leaves in the background holds nobody up, not even by what it writes', async () => {
    const { status, stdout } = await shell('echo first; (while :; do echo more; done) & exit 3');
    expect(status).toBe(3);
    expect(stdout).toStartWith('first\n');
    const others = () => processes().filter(({ command }) => command.join(' ').includes('echo more'));
    await eventually(
      async () => (others().length === 0 && leftIn('/run/kukeon').length === 0 ? true : undefined),
      30_000,
    );
  });

  test('with the disk: no space for its output is told, and it is ended', async () => {
    const error = await failure(exec(['yes'], { stdout: '/dev/full' }));
    expect(error.message).toContain('No space left on device (ENOSPC)');
    expect(processes().filter(({ command }) => command[0] === 'yes')).toEqual([]);
  });

  test('with its container', async () => {
    await running('short');
    const ended = exec(['sleep', '1002'], { id: 'short' });
    await eventually(async () => processes().find(({ command }) => command.join(' ') === 'sleep 1002'));
    await stop('short', 0);
    expect((await ended).status).toBe(137);
    await remove('short');
  });
});

test('what comes by a terminal is one stream, and the terminal has a size', async () => {
  const { stdout, stderr, status } = await shell(
    'stty size; test -t 0 && test -t 1 && test -t 2; echo err >&2; exit $?',
    {
      terminal: { columns: 91, rows: 17 },
    },
  );
  expect([stdout, stderr, status]).toEqual(['17 91\r\nerr\r\n', '', 0]);
});

test('a program that outlives its kuke is ended by the next exec, whatever its container', async () => {
  const script = `
    const { runtimeOn } = await import('${import.meta.dir}/runtime-under-test.ts');
    await runtimeOn().exec({ namespace: '${NAMESPACE}', id: 'web', command: ['sleep', '2000'], env: [], stdout: 1, stderr: 2 });
    console.log('started');
    await new Promise(() => setInterval(() => {}, 1000));`;
  const other = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe', stderr: 'inherit' });
  const { value } = await other.stdout.getReader().read();
  expect(Buffer.from(value ?? []).toString()).toContain('started');
  other.kill('SIGKILL');
  await other.exited;
  const left = () => processes().filter(({ command }) => command.join(' ') === 'sleep 2000');
  await eventually(async () => (left().length === 1 ? true : undefined)); // started, it is still the runtime's own for a moment
  expect(leftIn('/run/kukeon')).toHaveLength(1);
  await running('another');
  expect((await exec(['true'], { id: 'another' })).status).toBe(0);
  expect(left()).toEqual([]);
  await remove('another');
});
