/** Command lines that run in one process, for clients that are others: each hears what is its own, and nothing else. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRemoteConsole } from '../../../../src/cli/console/remote-console.ts';
import type { ConsoleLink, RunCommandLine } from '../../../../src/daemon/console/consoles.ts';
import { Mux } from '../../../../src/daemon/console/mux.ts';
import { HEAD, type RunRequest } from '../../../../src/daemon/console/protocol.ts';
import { asKukeError } from '../../../../src/kernel/errors.ts';
import { eventually } from '../../../suites/contract.ts';
import { cellYaml } from '../../kernel/kernel-on-fakes.ts';
import { type Served, serveConsoles } from './served.ts';

let served: Served;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kuke-console-'));
  served = await serveConsoles();
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

describe('a command through the daemon', () => {
  test('says what it says without one, and ends as it ends', async () => {
    const direct = await served.fake.kuke('get', 'realms', '-o', 'json');
    const through = await served.run(['get', 'realms', '-o', 'json']);
    const untimed = (text: string) => text.replace(/"observedAt": ".*"/g, '');
    expect({ ...through, stdout: untimed(through.stdout) }).toEqual({ ...direct, stdout: untimed(direct.stdout) });
    expect(await served.run(['get', 'cell', 'none'])).toEqual(await served.fake.kuke('get', 'cell', 'none'));
    expect(await served.run(['gte', 'cells'])).toEqual(await served.fake.kuke('gte', 'cells'));
    expect(await served.run(['get', 'cells', '--help'])).toEqual(await served.fake.kuke('get', 'cells', '--help'));
  });

  test('reads a manifest from the client’s folder, and from its standard input', async () => {
    writeFileSync(join(folder, 'web.yaml'), cellYaml('web'));
    const first = await served.run(['apply', '-f', 'web.yaml'], { cwd: folder });
    expect(first).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('cell main/default/default/web created'),
    });
    const again = await served.run(['apply', '-f', '-'], { stdin: cellYaml('web') });
    expect(again).toMatchObject({ status: 0, stdout: expect.stringContaining('web unchanged') });
    const absent = await served.run(['apply', '-f', 'no-such.yaml'], { cwd: folder });
    const message = 'error: -f no-such.yaml: No such file or directory (ENOENT)';
    expect(absent).toMatchObject({ status: 2, stderr: expect.stringContaining(message) });
  });

  test('runs a program in a container, and ends with its code', async () => {
    await served.run(['apply', '-f', '-'], { stdin: cellYaml('web') });
    const ran = await served.run(['exec', 'web', '-e', 'A=b', '--', 'sh', '-c', 'echo $A; exit 7']);
    expect(ran).toEqual({ status: 7, stdout: 'b\n', stderr: '' });
  });

  test('takes colours from the client’s environment and flags', async () => {
    expect((await served.run(['get', 'x', '--color', 'always'])).stderr).toContain('\u001b[31m');
    expect((await served.run(['get', 'x'], { env: { KUKE_COLOR: 'always' } })).stderr).toContain('\u001b[31m');
    expect((await served.run(['get', 'x'])).stderr).not.toContain('\u001b');
  });

  test.each([
    [['version']],
    [['doctor']],
    [['get', 'cells', '--run-path', '/srv/kuke']],
    [['get', 'cells', '--no-daemon']],
    [['--realm', 'lab', 'init']],
  ])('%j is run by the client itself', async argv => {
    expect(await served.run(argv)).toEqual({ status: 99, stdout: '', stderr: '' });
  });

  test.each([{ KUKE_NO_DAEMON: '1' }, { KUKE_CONFIG: '/etc/other.yaml' }, { KUKE_TRACE: '/tmp/x' }])(
    'with %j is run by the client itself',
    async env => {
      expect((await served.run(['get', 'cells'], { env })).status).toBe(99);
    },
  );
});

test('two commands at once never hear each other', async () => {
  const names = Array.from({ length: 12 }, (_, index) => `both${index}`);
  const all = await Promise.all(
    names.map(async name => ({
      name,
      ...(await served.run(['apply', '-f', '-', '--verbose', '--color', 'never'], { stdin: cellYaml(name) })),
    })),
  );
  for (const { name, status, stdout, stderr } of all) {
    expect([status, stdout]).toEqual([0, expect.stringContaining(`cell main/default/default/${name} created`)]);
    expect(stderr).toContain(`default/${name}: runtime.start`);
    const others = names.filter(other => other !== name);
    const heard = `${stdout}${stderr}`.split('\n').filter(line => !line.startsWith('waiting for another kuke'));
    expect(heard.filter(line => others.some(other => new RegExp(`/${other}\\b`).test(line)))).toEqual([]);
  }
});

describe('what cannot be written', () => {
  test('a full device is told, and is no success', async () => {
    const line = [...served.command, 'get', 'realms'].map(word => `'${word}'`).join(' ');
    const { exitCode, stderr } = await shell(`${line} > /dev/full`);
    expect([exitCode, stderr]).toEqual([1, 'error: standard output: No space left on device (ENOSPC)\n']);
    const closed = await shell(`${line} >&-`);
    expect(closed).toEqual({ exitCode: 1, stderr: 'error: standard output: Bad file descriptor (EBADF)\n' });
  });
});

async function shell(script: string) {
  const program = Bun.spawn(['bash', '-c', script], { stdout: 'pipe', stderr: 'pipe' });
  const [exitCode, stderr] = await Promise.all([program.exited, program.stderr.text()]);
  return { exitCode, stderr };
}

describe('signals', () => {
  const watching = () => {
    const program = Bun.spawn([...served.command, 'get', 'realms', '-w'], { stdout: 'pipe', stderr: 'pipe' });
    return { program, heard: program.stdout.getReader().read() };
  };

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s of the client’s is the command’s', async (name, status) => {
    const { program, heard } = watching();
    await heard;
    program.kill(name);
    expect(await program.exited).toBe(status);
  });

  test('a client that vanishes ends its command', async () => {
    const { program, heard } = watching();
    await heard;
    expect(served.count()).toBe(1);
    program.kill('SIGKILL');
    await eventually(async () => served.count() === 0 || undefined);
  });

  test('the daemon’s end ends commands as SIGTERM does', async () => {
    await using other = await serveConsoles();
    const program = Bun.spawn([...other.command, 'get', 'realms', '-w'], { stdout: 'pipe', stderr: 'pipe' });
    await program.stdout.getReader().read();
    await other.stop();
    expect([130, 143]).toContain(await program.exited);
    expect((await other.run(['get', 'realms'])).status).toBe(99);
  });

  test('who does not wait for the end has the prompt back, and the daemon does: its end, and the bound of consoles', async () => {
    await using other = await serveConsoles({ most: 1 });
    const undoing = other.fake.host.faults.pause('runtime.start', { after: true });
    const undone = other.fake.host.faults.pause('store.remove');
    const program = Bun.spawn([...other.command, 'apply', '-f', '-'], { stdin: Buffer.from(cellYaml('web')) });
    await undoing.reached;
    program.kill('SIGINT');
    program.kill('SIGTERM'); // two of a kind may come as one
    expect([130, 143]).toContain(await program.exited);
    expect((await other.run(['get', 'realms'])).status).toBe(99); // there is no room yet
    let hasStopped = false;
    const stopped = other.stop().then(() => (hasStopped = true));
    undoing.resume();
    await undone.reached;
    expect([hasStopped, other.count()]).toEqual([false, 1]);
    undone.resume();
    await stopped;
    expect(other.fake.host.runtime.namespaces.get('kukeon-main')?.containers.size).toBe(0);
  });
});

describe('files', () => {
  test('an archive is written by the client, where the client is', async () => {
    const saved = await served.run(['image', 'save', 'busybox', '-o', 'saved.tar'], { cwd: folder });
    expect(saved).toMatchObject({ status: 0, stderr: 'saved busybox to saved.tar\n' });
    expect(existsSync(join(folder, 'saved.tar'))).toBe(true);
    const refused = await served.run(['image', 'save', 'busybox', '-o', 'none/saved.tar'], { cwd: folder });
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining('-o none/saved.tar: no such folder') });
  });

  test('a template is read by the client', async () => {
    writeFileSync(join(folder, 'names'), '{.items[*].metadata.name}');
    const { stdout } = await served.run(['get', 'spaces', '-o', 'jsonpath-file=names'], { cwd: folder });
    expect(stdout).toBe('default');
  });
});

describe('a daemon that wants more than the command line names', () => {
  /** Tries all that a daemon can ask for, and answers with what it got. */
  const hostile: RunCommandLine = async (request, link) => {
    const { files, output } = makeRemoteConsole(request, link);
    const [path = ''] = request.argv.slice(-1);
    const { program } = served.fake;
    async function* archive() {
      yield new TextEncoder().encode('stolen');
    }
    const text = async (from: AsyncIterable<Uint8Array>) => {
      let all = '';
      for await (const bytes of from) all += Buffer.from(bytes).toString();
      return all;
    };
    const tries: Record<string, () => Promise<unknown>> = {
      look: async () => (await files.look(path)).what,
      read: () => text(files.read(path)),
      pack: async () => (await text(files.pack(path, 'x', program))).length,
      save: () => files.save(path, archive(), program),
      unpack: () => files.unpack(path, false, archive(), program),
    };
    for (const [name, one] of Object.entries(tries))
      output.write(`${name}: ${await one().catch(thrown => asKukeError(thrown).message.includes('is not named'))}\n`);
    await output.flush();
    return 0;
  };

  test.each(['exec web -- cat', 'exec web -- cp /etc/hosts', 'image save busybox -o x --', 'run web --image'])(
    'gets nothing by `%s FILE`',
    async line => {
      await using other = await serveConsoles({ run: hostile });
      const secret = join(folder, 'secret');
      writeFileSync(secret, 'secret');
      const { stdout } = await other.run([...line.split(' '), secret]);
      expect(stdout).toBe('look: null\nread: true\npack: true\nsave: true\nunpack: true\n');
      expect(readFileSync(secret, 'utf8')).toBe('secret');
    },
  );
});

describe('a client that is none', () => {
  const send = async (bytes: string): Promise<string> => {
    const socket = net.connect(served.socket);
    let text = '';
    socket.on('data', chunk => (text += chunk.toString('latin1'))).on('error', () => {});
    socket.write(Buffer.from(bytes, 'latin1'));
    await new Promise(resolve => socket.on('close', resolve));
    return text;
  };

  test.each([
    ['garbage', 'x'.repeat(64)],
    ['a message that is no request', frame(JSON.stringify({ type: 'signal', name: 'SIGINT' }))],
    ['a request with a relative folder', frame(JSON.stringify({ ...request(['get', 'realms']), cwd: '.' }))],
    ['a terminal of a billion columns', frame(JSON.stringify(request(['get', 'realms'], 1e9)))],
    ['a terminal of half a column', frame(JSON.stringify(request(['get', 'realms'], 0.5)))],
    ['a terminal of less than none', frame(JSON.stringify(request(['get', 'realms'], -1)))],
    ['too long a request', frame(JSON.stringify(request(['get', 'x'.repeat(200_000)])))],
  ])('%s: the connection ends, and nothing else', async (_, bytes) => {
    const answer = await send(HEAD + bytes);
    expect(answer).toStartWith('HTTP/1.1 101 ');
    expect(answer).not.toContain('exit');
    await eventually(async () => served.count() === 0 || undefined);
    expect((await served.run(['get', 'realms', '-o', 'name'])).stdout).toContain('realm/main');
  });

  test('one that is another program is told to do it itself', async () => {
    const answer = await send(
      HEAD + frame(JSON.stringify({ ...request(['delete', 'realm', 'main']), program: '0:0' })),
    );
    expect(answer).toContain('{"type":"local","why":"it is another kuke than this one"}');
    expect((await served.run(['get', 'realms', '-o', 'name'])).stdout).toContain('realm/main');
  });

  test('one that does not hang up is hung up on', async () => {
    const socket = net.connect({ path: served.socket, allowHalfOpen: true });
    socket.on('data', () => {}).on('error', () => {});
    socket.write(Buffer.from(HEAD + frame(JSON.stringify(request(['version']))), 'latin1'));
    await new Promise(resolve => socket.on('end', resolve));
    await eventually(async () => served.count() === 0 || undefined);
    socket.destroy();
  });

  test('one that says nothing is not waited for', async () => {
    await using short = await serveConsoles({ patienceMs: 20 });
    const socket = net.connect(short.socket);
    socket.write(HEAD);
    await new Promise(resolve => socket.on('data', () => {}).on('close', resolve));
    expect(short.count()).toBe(0);
  });

  test('more than there may be at once are refused', async () => {
    await using few = await serveConsoles({ most: 1 });
    const first = Bun.spawn([...few.command, 'get', 'realms', '-w'], { stdout: 'pipe' });
    await first.stdout.getReader().read();
    expect((await few.run(['get', 'realms'])).status).toBe(99);
    first.kill();
    await first.exited;
  });

  test('more than one user may have are refused, and others’ are not', async () => {
    await using some = await serveConsoles({ most: 3, mostOfUser: 1, uids: [1000, 1000, 1001] });
    const first = Bun.spawn([...some.command, 'get', 'realms', '-w'], { stdout: 'pipe' });
    await first.stdout.getReader().read();
    expect((await some.run(['get', 'realms'])).status).toBe(99);
    expect((await some.run(['get', 'realms'])).status).toBe(0);
    first.kill();
    await first.exited;
  });
});

test('what nobody reads of standard output is held up to a bound, and is told then', async () => {
  const mux = new Mux({ write() {}, close() {} }, { message() {}, closed() {} });
  const link = { mux, say() {}, hear() {}, lastsAs() {} };
  const peer = { uid: 0, gid: 0, pid: 1 };
  const { output } = makeRemoteConsole({ ...request([]), peer }, link);
  const piece = 'x'.repeat(1 << 20);
  let written = 0;
  for (; output.isHeard() && written < 100; written++) output.write(piece);
  expect(written).toBeGreaterThan(60);
  expect(written).toBeLessThan(70);
  expect(await output.end()).toBe('too much of it has not been read');
});

test('a Ctrl-C that comes before the command listens is not lost', () => {
  const mux = new Mux({ write() {}, close() {} }, { message() {}, closed() {} });
  let tell: Parameters<ConsoleLink['hear']>[0] = () => {};
  const hear: ConsoleLink['hear'] = given => {
    tell = given;
  };
  const peer = { uid: 0, gid: 0, pid: 1 };
  const console = makeRemoteConsole({ ...request([]), peer }, { mux, say() {}, hear, lastsAs() {} });
  tell({ type: 'signal', name: 'SIGINT' });
  const heard: string[] = [];
  console.on('SIGINT', name => heard.push(name));
  expect(heard).toEqual(['SIGINT']);
});

function request(argv: string[], columns = 0): RunRequest {
  const none = { terminal: columns !== 0, columns, rows: 0 };
  return { type: 'run', argv, env: {}, cwd: '/', stdio: [none, none, none] };
}

function frame(text: string): string {
  const head = Buffer.alloc(9);
  head.writeUInt32BE(text.length + 5);
  head.writeUInt8(5, 4);
  return head.toString('latin1') + text;
}
