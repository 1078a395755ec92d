/** docs/api.md, typed in as it stands, against a daemon that `kuke init` has started; and what a page cannot show: exec, who asked, how fast. */
// containerd: once, since what the API is has nothing to do with it
process.env.KUKE_NO_DAEMON = '0';

import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type PastUse } from '../../../src/client/index.ts';
import { eventually } from '../../suites/contract.ts';
import { type Containerd, startContainerd } from '../containerd.ts';
import { cell, container, loadImage, pidsOf } from '../kuke/cells.ts';
import { kuke as typed } from '../kuke/kuke.ts';
import { missing, typedIn } from '../kuke/typed-page.ts';
import { output } from '../observe/command.ts';

const top = join(import.meta.dir, '../../..');
const SOCKET = '/run/kukeon/kukeond.sock';
const kuke = connect();

let containerd: Containerd;
beforeAll(async () => {
  containerd = await startContainerd();
  await typed('init');
  await loadImage();
});
afterAll(async () => {
  await typed('daemon', 'stop');
  await containerd.stop();
});

test('the page is true', async () => {
  const folder = '/tmp/api-page';
  mkdirSync(folder);
  await output(join(top, 'examples/hello-image'), join(folder, 'hello.tar'));
  await typed('image', 'load', '-i', join(folder, 'hello.tar'));
  const page = typedIn(readFileSync(join(top, 'docs/api.md'), 'utf8'));
  expect(page.length).toBeGreaterThan(15);
  // One shell for all, for what one command sets the next one has.
  const script = page.map(({ command }, index) => `echo "--- ${index}"\n${command}\necho "--- status $?"`).join('\n');
  writeFileSync(join(folder, 'page.sh'), `shopt -s expand_aliases\n${script}\n`);
  const shell = Bun.spawn(['bash', 'page.sh'], { cwd: folder, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
  const [stdout, stderr] = await Promise.all([shell.stdout.text(), shell.stderr.text()]);
  for (const [index, { command, shown }] of page.entries()) {
    const said = stdout.split(`--- ${index}\n`)[1]?.split('--- status')[0] ?? '';
    const status = stdout.split(`--- ${index}\n`)[1]?.split('--- status ')[1]?.split('\n')[0];
    // `timeout` ends what would go on for ever.
    const ended = command.startsWith('timeout') ? status : '0';
    expect({ command, status, said, stderr, missing: missing(shown, said) }).toEqual({
      command,
      status: ended ?? '',
      said,
      stderr,
      missing: undefined,
    });
  }
}, 120_000);

const manifest = (name: string) => JSON.stringify(cell(name, [container('main')]));
const textOf = async (bytes: AsyncIterable<Uint8Array>) => Buffer.concat(await Array.fromAsync(bytes)).toString();

test('a program in a container: input, output, error output, exit code, terminal, signals', async () => {
  await kuke.apply(manifest('box'));
  // What it uses is looked at in the end.
  const spin = container('spin', { command: ['/bin/sh', '-c', 'while :; do :; done'] });
  await kuke.apply(JSON.stringify(cell('busy', [spin])));
  const run = (script: string, options: object = {}) =>
    kuke.exec({ name: 'box' }, { command: ['/bin/sh', '-c', script], ...options });
  const plain = await run('echo out; echo err >&2; exit 7');
  expect(await Promise.all([textOf(plain.stdout), textOf(plain.stderr), plain.exited])).toEqual(['out\n', 'err\n', 7]);

  const fed = await run('busybox cat', { stdin: true });
  const mebibyte = 'x'.repeat(1 << 20);
  const got = textOf(fed.stdout);
  await fed.stdin.write(mebibyte);
  fed.stdin.end();
  expect([(await got) === mebibyte, await fed.exited]).toEqual([true, 0]);

  const sized = await run('busybox stty size', { stdin: true, tty: { columns: 91, rows: 17 } });
  expect(await textOf(sized.stdout)).toBe('17 91\r\n');

  const stopped = await run('trap "exit 9" INT; echo ready; while :; do busybox sleep 0.1; done');
  for await (const bytes of stopped.stdout) if (Buffer.from(bytes).toString().includes('ready')) break;
  stopped.signal('SIGINT');
  expect(await stopped.exited).toBe(9);

  const missingProgram = await kuke.exec({ name: 'box' }, { command: ['/nowhere'] }).catch(thrown => thrown);
  expect([missingProgram.code, missingProgram.status]).toEqual(['ProgramNotFound', 422]);
  const missingCell = await kuke.exec({ name: 'nope' }, { command: ['/bin/sh'] }).catch(thrown => thrown);
  expect([missingCell.code, missingCell.status]).toEqual(['NotFound', 404]);
});

test('the first process of a container: its terminal, which several are at, and who goes ends nothing', async () => {
  const shell = container('main', { command: ['/bin/busybox', 'sh'], tty: true, stdin: true });
  await kuke.apply(JSON.stringify(cell('typed', [shell])));
  const size = { columns: 91, rows: 17 };
  const first = await kuke.attach({ name: 'typed' }, { stdin: true, size });
  await first.stdin.write('busybox stty size\n');
  for await (const bytes of first.stdout) if (Buffer.from(bytes).toString().includes('17 91')) break;
  first.close();
  const second = await kuke.attach({ name: 'typed' }, { stdin: true });
  second.resize({ columns: 44, rows: 11 });
  await second.stdin.write('while [ "$(busybox stty size)" != "11 44" ]; do :; done; echo seen-seen; exit 5\n');
  expect(await textOf(second.stdout)).toContain('\nseen-seen\r\n');
  expect(await second.exited).toBe(5);
  const told = await output(
    'jq',
    '-r',
    '.resources[] | select(.result == "attached") | .resource',
    '/var/log/kukeon/audit.jsonl',
  );
  expect(told).toBe('cell main/default/default/typed\n'.repeat(2));
  const ended = await kuke.attach({ name: 'typed' }).catch(thrown => thrown);
  expect([ended.code, ended.status]).toEqual(['Conflict', 409]);
  expect(ended.message).toContain('does not run');
});

test('a client that is gone takes its program along', async () => {
  const { main = 0 } = await pidsOf('box');
  const inside = async () =>
    (await output('nsenter', '--target', `${main}`, '--all', '/bin/busybox', 'ps')).includes('sleep 4242');
  const left = await kuke.exec({ name: 'box' }, { command: ['/bin/busybox', 'sleep', '4242'] });
  while (!(await inside())) await Bun.sleep(20);
  left.close();
  while (await inside()) await Bun.sleep(20);
});

test('a log is followed, to its end', async () => {
  await kuke.apply(
    JSON.stringify(
      cell('talker', [container('main', { command: ['/bin/sh', '-c', 'echo one; busybox sleep 1; echo two'] })]),
    ),
  );
  expect(await textOf(kuke.logs({ name: 'talker' }, { follow: true }))).toBe('one\ntwo\n');
  expect(await textOf(kuke.logs({ name: 'talker' }, { tail: 1 }))).toBe('two\n');
  expect(await textOf(kuke.logs({ name: 'talker' }, { since: '1h', timestamps: true }))).toMatch(
    /^\S+Z one\n\S+Z two\n$/,
  );
});

test('a container that is killed by hand is seen by who watches', async () => {
  const { metadata } = await kuke.list('Cell');
  const stop = new AbortController();
  const seen = (async () => {
    for await (const event of kuke.watch('Cell', {}, { revision: metadata.revision, signal: stop.signal }))
      if (event.type === 'MODIFIED' && event.object.metadata.name === 'box' && event.object.status.state !== 'Ready')
        return event.object.status.state;
    return undefined;
  })();
  const { main = 0 } = await pidsOf('box');
  process.kill(main, 'SIGKILL');
  expect(await seen).toBe('Failed');
  stop.abort();
});

test('the group’s members may ask, and others may not', async () => {
  const gid = /^kukeon:[^:]*:(\d+):/m.exec(readFileSync('/etc/group', 'utf8'))?.[1] ?? '';
  const ask = (...groups: string[]) =>
    Bun.spawn(
      [
        'setpriv',
        '--reuid=4242',
        '--regid=4242',
        ...groups,
        'curl',
        '-s',
        '--unix-socket',
        SOCKET,
        'http://kuke/healthz',
      ],
      { stdout: 'pipe', stderr: 'ignore' },
    );
  expect(await ask(`--groups=${gid}`).stdout.text()).toBe('ok\n');
  expect(await ask('--clear-groups').stdout.text()).toBe('');
  const change = Bun.spawn(
    [
      'setpriv',
      '--reuid=4242',
      '--regid=4242',
      `--groups=${gid}`,
      'curl',
      '-s',
      '-X',
      'POST',
      '-H',
      'Accept: application/json',
      '--unix-socket',
      SOCKET,
      'http://kuke/v1beta1/realms/main/spaces/default/stacks/default/cells/box/start',
    ],
    { stdout: 'pipe' },
  );
  expect(JSON.parse(await change.stdout.text())).toMatchObject({ exitCode: 0 });
  const last = readFileSync('/var/log/kukeon/audit.jsonl', 'utf8').trim().split('\n').at(-1) ?? '';
  expect(JSON.parse(last)).toMatchObject({ uid: 4242, command: expect.stringContaining('/cells/box/start') });
});

test('what a cell has used since kukeond has looked: `kuke top --last`, and the client', async () => {
  const cpuOf = ({ items }: PastUse, name: string) =>
    items.find(one => one.kind === 'Cell' && one.name === name)?.cpu?.cpus;
  // The second reading after its start says how much that is.
  const past = await eventually(async () => {
    const answer = JSON.parse(await typed('top', '--last', '1h', '-o', 'json'));
    return cpuOf(answer, 'busy') && answer;
  }, 60_000);
  const [busy, idle] = [cpuOf(past, 'busy'), cpuOf(past, 'typed')];
  expect(busy?.peak).toBeGreaterThan(idle?.peak ?? 0);
  expect(busy?.points).toHaveLength(past.times.length);
  const used = Number(
    /^usage_usec (\d+)/.exec(readFileSync('/sys/fs/cgroup/kukeon/main/default/default/busy/cpu.stat', 'utf8'))?.[1],
  );
  expect((busy?.average ?? Number.NaN) * past.intervalSeconds).toBeLessThanOrEqual(used / 1e6);
  const [header = '', ...rows] = (await typed('top', '--last', '10m')).trimEnd().split('\n');
  expect(header.split(/ {2,}/)).toEqual(['NAME', 'CPU%', 'CPU-PEAK', 'MEMORY', 'MEM-PEAK', 'READ/S', 'WRITE/S']);
  expect(rows.map(row => row.trim().split(/ +/)[0])).toContain('busy');
  expect(
    (await kuke.usage({ last: '10m', cell: 'busy', points: 6 })).items.map(one => one.cpu?.cpus.points.length),
  ).toEqual([6, 6]);
  expect(await typed('delete', 'cell', 'busy', '--cascade', '--force')).toContain('deleted');
  expect((await kuke.usage({ cell: 'busy' })).items).toEqual([]);
}, 90_000);
