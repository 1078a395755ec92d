// containerd: once, since what is between the client and the daemon is kuke's own
/** Command lines through kukeond, as a person has them: what reaches the terminal, the files and the pipes of who typed them. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../suites/contract.ts';
import { cell, container, manifest, shell } from '../kuke/cells.ts';
import { binary, type RunOptions, run, start } from '../kuke/kuke.ts';
import { onTerminal } from '../kuke/on-terminal.ts';
import { type ReadyHost, readyHost } from '../kuke/ready-host.ts';

const folder = '/tmp/console';
const through: RunOptions = { env: { KUKE_NO_DAEMON: undefined } };
const kuke = (argv: string[], options: RunOptions = {}) => run(argv, { ...through, ...options });
const pidOfDaemon = () => Number.parseInt(readFileSync('/run/kukeon/kukeond.pid', 'utf8'), 10);
const descriptorsOfDaemon = () => readdirSync(`/proc/${pidOfDaemon()}/fd`).length;

/** Much more than a pipe, the connection and our windows hold. */
const LINES = 300_000;
const LONG_LOG = `i=0; while [ $i -lt ${LINES / 100} ]; do yes 0123456789 | head -100; i=$((i+1)); done; exec sleep 100000`;
const TICKING = 'while :; do echo tick; sleep 0.1; done';

let host: ReadyHost;
beforeAll(async () => {
  host = await readyHost();
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  Bun.spawnSync(['groupadd', '--system', 'kukeon']); // as init makes it
  expect(await kuke(['daemon', 'start'])).toMatchObject({ status: 0 });
  const web = cell('web', [container('main'), shell('long', LONG_LOG), shell('ticking', TICKING, { stdin: true })]);
  const applied = await kuke(['apply', '-f', '-'], { stdin: JSON.stringify(web) });
  expect(applied).toMatchObject({ status: 0, stdout: 'cell main/default/default/web created\n' });
});
afterAll(async () => {
  await kuke(['daemon', 'stop']);
  for (const name of ['web', 'box']) await run(['delete', 'cell', name, '--cascade', '--force']);
  await host.containerd.stop();
});

describe('exec', () => {
  test('passes on what goes in and what comes out, whole, and the exit code', async () => {
    const script = 'md5sum; echo err >&2; exit 7';
    const ran = await kuke(['exec', '-i', 'web', '--', 'sh', '-c', script], { stdin: 'x'.repeat(3_000_000) });
    const sum = new Bun.CryptoHasher('md5').update('x'.repeat(3_000_000)).digest('hex');
    expect(ran).toEqual({ status: 7, stdout: `${sum}  -\n`, stderr: 'err\n' });
  });

  test('keeps the order of what is written to both outputs where they lead to one place', async () => {
    const spec = { resources: { cpu: { limit: 5000 } } };
    const realm = manifest('Realm', 'main', spec);
    const space = manifest('Space', 'default', { realmId: 'main', ...spec });
    writeFileSync(`${folder}/wrong`, `${JSON.stringify(realm)}\n---\n${JSON.stringify(space)}`);
    const typed = `${binary} apply -f <(cat ${folder}/wrong) 2>&1`;
    const program = Bun.spawn(['bash', '-c', typed], { env: { ...process.env, KUKE_NO_DAEMON: undefined } });
    const lines = (await program.stdout.text()).trimEnd().split('\n');
    expect(lines.map(line => line.replace(/: this host has.*/, ''))).toEqual([
      'realm main failed',
      'error: realm main: spec.resources.cpu.limit',
      'space main/default failed',
      'error: space main/default: spec.resources.cpu.limit',
    ]);
  });

  test('does not take a byte of standard input without -i', async () => {
    const script = `read first; ${binary} exec web -- true; cat`;
    const program = Bun.spawn(['bash', '-c', script], { stdin: Buffer.from('first\nsecond\n'), stdout: 'pipe' });
    expect(await program.stdout.text()).toBe('second\n');
  });

  test('has the terminal: its size, as it changes, its keys, and gives it back', async () => {
    const terminal = onTerminal('exec -it web -- sh');
    await terminal.shown(/# /);
    terminal.type('stty size\r');
    await terminal.shown(/20 90/);
    terminal.resize(70, 10);
    await terminal.shown(/stty size/);
    terminal.type('while [ "$(stty size)" != "10 70" ]; do :; done; echo resized\r');
    await terminal.shown(/\nresized/);
    terminal.type('sleep 99999\r');
    await eventually(async () => ((await psOf('web')).includes('sleep 99999') ? true : undefined));
    terminal.type('\u0003');
    await terminal.shown(/\^C/);
    terminal.type('exit 3\r');
    const shown = await terminal.shown(/ended with 3[\s\S]*icanon/);
    expect(shown).toMatch(/ended with 3[\s\S]* icanon/);
    expect(shown).not.toMatch(/ended with 3[\s\S]*-icanon/);
  });
});

describe('attach', () => {
  test('has the terminal of the first process, which goes on when it is left; with --rm kukeond takes it away in the end', async () => {
    expect(await kuke(['run', '-d', '--rm', '--name', 'brief', 'test:1', '--', 'true'])).toMatchObject({
      stdout: 'brief\n',
    });
    const first = onTerminal('run -it --rm --name box test:1 -- sh');
    await first.shown(/# /);
    first.type('x=kept; stty size\r');
    await first.shown(/20 90/);
    first.type('\u0010\u0011');
    expect(await first.shown(/ended with 0[\s\S]*icanon/)).toMatch(
      /\r\nleft; it runs on: .* comes back\r\n[\s\S]*kukeond deletes it when it has ended\r\n/,
    );
    const again = onTerminal('attach box');
    await again.shown(/attached/);
    again.resize(70, 10);
    again.type('while [ "$(stty size)" != "10 70" ]; do :; done; echo $x-$x\r');
    await again.shown(/kept-kept/);
    again.type('sleep 99998\r');
    await eventually(async () => ((await psOf('box')).includes('sleep 99998') ? true : undefined));
    again.type('\u0003');
    await eventually(async () => ((await psOf('box')).includes('sleep 99998') ? undefined : true));
    again.type('exit 4\r');
    expect(await again.shown(/ended with 4[\s\S]*icanon/)).not.toMatch(/ended with 4[\s\S]*-icanon/);
    await eventually(
      async () => ((await kuke(['get', 'cells', '-o', 'name'])).stdout === 'cell/web\n' ? true : undefined),
      60_000,
    );
    for (const name of ['box', 'brief']) expect(existsSync(`/opt/kukeon/main/default/default/${name}`)).toBe(false);
  });

  test('passes on what comes by a pipe, to its end', async () => {
    const many = 'x'.repeat(1_000_000);
    const ran = await kuke(['run', '-i', '--rm', '-q', 'test:1', '--', 'wc', '-c'], { stdin: many });
    expect(ran).toEqual({ status: 0, stdout: '1000000\n', stderr: '' });
  });
});

const psOf = async (name: string) => (await kuke(['exec', name, '--', 'ps'])).stdout;

describe('outputs', () => {
  test('who does not read stops its own command, and nobody else’s', async () => {
    const logs = ['logs', 'web', '-c', 'long'];
    await eventually(async () => ((await kuke(logs)).stdout.length === LINES * 11 ? true : undefined), 60_000);
    const slow = start(logs, through);
    await Bun.sleep(50);
    expect(await kuke(['get', 'cells', '-o', 'name'])).toMatchObject({ status: 0, stdout: 'cell/web\n' });
    expect((await slow.stdout.text()).length).toBe(LINES * 11);
    expect(await slow.exited).toBe(0);
  });

  test('a watch ends when its reader has heard enough', async () => {
    const script = `${binary} get cells -w --no-headers | head -1; exit "\${PIPESTATUS[0]}"`;
    const program = Bun.spawn(['bash', '-c', script], { stdout: 'pipe', stderr: 'pipe' });
    const text = program.stdout.text();
    expect(await program.exited).toBe(0);
    expect(await text).toMatch(/^web +/);
  });
});

describe('whose files they are', () => {
  const member = ['setpriv', '--reuid=65534', '--regid=kukeon', '--clear-groups'];

  test('one of the group may use it, and reads its own files alone', async () => {
    const secret = join(folder, 'secret.yaml');
    writeFileSync(secret, JSON.stringify(cell('secret')));
    chmodSync(secret, 0o600);
    const refused = await kuke(['apply', '-f', 'secret.yaml'], { prefix: member, cwd: folder });
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringMatching(/^error: -f secret\.yaml: .*EACCES/) });
    chmodSync(secret, 0o644);
    const applied = await kuke(['apply', '-f', 'secret.yaml', '--dry-run'], { prefix: member, cwd: folder });
    expect(applied).toMatchObject({ status: 0, stdout: expect.stringContaining('cell main/default/default/secret') });
    // By a copy of this kuke, too.
    const copy = join(folder, 'kuke-copy');
    copyFileSync(binary, copy);
    const env = { ...process.env, KUKE_NO_DAEMON: undefined };
    const stopped = Bun.spawnSync([...member, copy, 'stop', 'cell', 'nobody'], { env });
    rmSync(copy);
    expect([stopped.exitCode, stopped.stderr.toString()]).toEqual([3, expect.stringContaining('nobody: not found')]);
  });

  test('what is written is theirs, too', async () => {
    const saved = await kuke(['image', 'save', 'test:1', '-o', 'image.tar'], { prefix: member, cwd: folder });
    expect(saved).toMatchObject({ status: 0, stderr: 'saved test:1 to image.tar\n' });
    expect(Bun.spawnSync(['stat', '-c', '%u', join(folder, 'image.tar')]).stdout.toString()).toBe('65534\n');
    expect(await kuke(['image', 'load', '-i', 'image.tar'], { cwd: folder })).toMatchObject({ status: 0 });
    const elsewhere = await kuke(['image', 'save', 'test:1', '-o', '/root/image.tar'], { prefix: member });
    expect(elsewhere).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/\/root\/image\.tar: .*(?:EACCES|ermission denied)/),
    });
  });

  test('what is copied is read and written with their rights', async () => {
    const secret = join(folder, 'own-secret');
    writeFileSync(secret, 'of root');
    chmodSync(secret, 0o600);
    const refused = await kuke(['cp', 'own-secret', 'web:/tmp/taken'], { prefix: member, cwd: folder });
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringMatching(/EACCES|ermission denied/) });
    const out = await kuke(['cp', 'web:/srv/file', 'copied'], { prefix: member, cwd: folder });
    expect(out).toMatchObject({ status: 0, stderr: expect.stringContaining('copied web:/srv/file to copied (1 file') });
    expect(Bun.spawnSync(['stat', '-c', '%u', join(folder, 'copied')]).stdout.toString()).toBe('65534\n');
    expect((await kuke(['cp', 'web:/srv/file', '/root/copied'], { prefix: member })).status).not.toBe(0);
    expect(existsSync('/root/copied')).toBe(false);
    const ls = await kuke(['exec', 'web', '--', 'ls', '/tmp']);
    expect(ls.stdout).not.toContain('taken');
  });

  test('who is not of the group does without it', async () => {
    const outside = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const { status, stderr } = await kuke(['stop', 'cell', 'web'], { prefix: outside });
    expect([status, stderr]).toEqual([
      5,
      expect.stringMatching(/you are not root \(run it with sudo, or .* -aG kukeon/),
    ]);
    const own = await kuke(['init'], { prefix: outside });
    expect([own.status, own.stderr]).toEqual([5, expect.stringContaining('you are not root (run it with sudo)')]);
  });
});

describe('--host', () => {
  const bin = join(folder, 'bin');
  const options = { env: { ...through.env, PATH: `${bin}:${process.env.PATH}` } };
  beforeAll(() => {
    mkdirSync(bin);
    const ssh = `#!/bin/sh\necho "$*" > ${folder}/ssh.args\nexec env -i ${binary} daemon stdio\n`;
    writeFileSync(join(bin, 'ssh'), ssh, { mode: 0o755 });
  });

  test('runs it there, over the person’s own ssh', async () => {
    const got = await kuke(['get', 'cells', '-o', 'name', '--host', 'ssh://me@there:2222'], options);
    expect(got).toEqual({ status: 0, stdout: 'cell/web\n', stderr: '' });
    expect(readFileSync(join(folder, 'ssh.args'), 'utf8')).toBe('-p 2222 -T -- me@there kuke daemon stdio\n');
    const piped = await kuke(['--host=ssh://there', 'exec', '-i', 'web', '--', 'wc', '-c'], {
      ...options,
      stdin: 'four',
    });
    expect(piped).toEqual({ status: 0, stdout: '4\n', stderr: '' });
  });

  test.each([
    [['get', 'cells', '--host', 'ssh://-oProxyCommand=x'], 'is not ssh://'],
    [['get', 'cells', '--host', 'tcp://there'], 'is not ssh://'],
    [['init', '--host', 'ssh://there'], 'is about the host that it runs on'],
  ])('%j is refused', async (argv, why) => {
    expect(await kuke(argv, options)).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining(why) });
  });

  test('one that cannot be reached is told', async () => {
    writeFileSync(join(bin, 'ssh'), '#!/bin/sh\necho no route >&2\nexit 255\n', { mode: 0o755 });
    const { status, stderr } = await kuke(['get', 'cells', '--host', 'ssh://there'], options);
    expect([status, stderr]).toEqual([5, expect.stringMatching(/^no route\nerror: ssh:\/\/there cannot be reached/)]);
  });
});

test('commands leave nothing open in the daemon', async () => {
  const commands = [
    ['get', 'cells'],
    ['exec', 'web', '--', 'true'],
    ['get', 'cell', 'none'],
    ['logs', 'web', '--tail', '1'],
  ];
  const attachAndLeave = async () => {
    const program = start(['attach', 'web', '-c', 'ticking'], through);
    await program.stdout.getReader().read();
    program.kill('SIGINT');
    await program.exited;
  };
  for (const argv of commands) await kuke(argv);
  await attachAndLeave();
  const before = descriptorsOfDaemon();
  for (let i = 0; i < 3; i++) await attachAndLeave();
  for (const argv of [...commands, ...commands, ...commands]) await kuke(argv);
  await eventually(async () => (descriptorsOfDaemon() <= before ? true : undefined));
});

test('a daemon that dies in the middle is told, and the next command does without it', async () => {
  expect(await kuke(['run', '-dit', '--name', 'box', 'test:1', '--', 'sh'])).toMatchObject({ stdout: 'box\n' });
  const terminal = onTerminal('attach box');
  await terminal.shown(/attached/);
  terminal.type('x=kept; echo $x-$x\r');
  await terminal.shown(/kept-kept/);
  const child = start(['exec', 'web', '--', 'sleep', '100000'], through);
  await eventually(async () => ((await psOf('web')).includes('sleep 100000') ? true : undefined));
  process.kill(pidOfDaemon(), 'SIGKILL');
  expect([await child.exited, await child.stderr.text()]).toEqual([
    5,
    'error: kukeond has gone away, and this may be done in part (run it again: what was begun is finished or undone first, with kukeond or without it)\n',
  ]);
  expect(await terminal.shown(/ended with 5[\s\S]*icanon/)).not.toMatch(/ended with 5[\s\S]*-icanon/);
  expect(await kuke(['get', 'cells', '-o', 'name'])).toMatchObject({ status: 0, stdout: 'cell/box\ncell/web\n' });
  // Nothing of it was kukeond's.
  const without = onTerminal('attach box');
  await without.shown(/attached/);
  without.type('echo still $x; exit 9\r');
  await without.shown(/still kept[\s\S]*ended with 9/);
});
