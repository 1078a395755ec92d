// through kukeond, too
// containerd: once, since a log is a file that the shim appends to, in all versions.
/** logs: what containers wrote, its end, and what they go on to write. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { cell, container, logFile, shell, WAIT } from './cells.ts';
import { apply, binary, failing, get, kuke, start } from './kuke.ts';
import { type ReadyHost, readyHost, removeCells } from './ready-host.ts';

let host: ReadyHost;
beforeAll(async () => {
  host = await readyHost();
});
afterAll(() => host.containerd.stop());
afterEach(() => removeCells());

/** Follows, with what it has printed so far. */
function following(...argv: string[]) {
  const program = start(['logs', '-f', ...argv]);
  let text = '';
  const reading = (async () => {
    for await (const chunk of program.stdout) text += Buffer.from(chunk).toString();
  })();
  return {
    program,
    shown: (what: string) => eventually(async () => (text.includes(what) ? text : undefined), 60_000),
    async ended() {
      const status = await program.exited;
      await reading;
      return { status, text };
    },
  };
}

const written = (name: string, text: string, id = 'main') =>
  eventually(async () => (readFileSync(logFile(name, id), 'utf8').includes(text) ? true : undefined), 60_000);

test('shows what was written, by which container, and the end of it', async () => {
  const talk = (word: string) =>
    `for n in 1 2 3; do echo ${word} $n; done; printf "half a line"; ${WAIT.replace('echo ready;', '')}`;
  await apply(cell('web', [shell('main', talk('out')), shell('side', talk('other'))]));
  for (const id of ['main', 'side']) await written('web', 'half', id);
  expect(await kuke('logs', 'web')).toBe('out 1\nout 2\nout 3\nhalf a line');
  expect(await kuke('logs', 'web', '-c', 'side', '--tail', '2')).toBe('other 3\nhalf a line');
  expect(await kuke('logs', 'web', '--tail', '0')).toBe('');
  expect(await kuke('logs', 'web', '--all-containers', '--tail', '1')).toBe('[main] half a line\n[side] half a line\n');
  const { status } = await get<{ status: { containers: { logPath: string }[] } }>('cell', 'web');
  expect(status.containers.map(({ logPath }) => logPath)).toEqual([logFile('web', 'main'), logFile('web', 'side')]);
  await host.containerd.stop();
  expect(await kuke('logs', 'web', '--tail', '1')).toBe('half a line');
  await host.containerd.start();
});

test('what it cannot show is told', async () => {
  await apply(cell('web'));
  expect(await failing(3, 'logs', 'wbe')).toContain('`web`');
  expect(await failing(3, 'logs', 'web', '-c', 'man')).toContain('did you mean `main`?');
  expect(await failing(2, 'logs', 'web', '--tail', 'few')).toContain('`few` is not a number');
  expect(await failing(2, 'logs', 'web', '--since', 'yesterday')).toContain('`yesterday` is no time');
  expect(await failing(2, 'logs', 'web', '-p', '-f')).toContain('leave out --follow');
  expect(await failing(3, 'logs', 'web', '-p')).toContain('no earlier run');
  await kuke('create', 'cell', 'empty');
  expect(await failing(4, 'logs', 'empty')).toContain('it has no containers');
});

test('when it was written, and what the run before wrote', async () => {
  const script = 'echo run $(cat /n); echo x >> /n; trap "echo end; exit 0" TERM; sleep 1000 & wait';
  await apply(cell('web', [shell('main', `export PATH=/bin; [ -f /n ] || echo first > /n; ${script}`)]));
  await written('web', 'run first');
  await kuke('stop', 'cell', 'web');
  await Bun.sleep(1100);
  const between = new Date().toISOString();
  await Bun.sleep(100);
  await kuke('start', 'cell', 'web');
  await written('web', 'x');
  expect(await kuke('logs', 'web', '-p')).toBe('run first\nend\n');
  expect(await kuke('logs', 'web', '-p', '--tail', '1')).toBe('end\n');
  expect(await kuke('logs', 'web', '--since', between)).toBe('run first x\n');
  expect(await kuke('logs', 'web', '--since', '1h')).toBe('run first\nend\nrun first x\n');
  const lines = (await kuke('logs', 'web', '-t')).trim().split('\n');
  expect(lines.map(line => line.slice(25))).toEqual(['run first', 'end', 'run first x']);
  const times = lines.map(line => line.slice(0, 24));
  expect(times.map(time => new Date(time).toISOString())).toEqual(times);
  expect([...times].sort()).toEqual(times);
  expect((times[1] ?? '') < between && between < (times[2] ?? '')).toBe(true);
});

test('a log of gigabytes costs no memory: the end is found from the end, the whole goes through in pieces', async () => {
  // kukeond leaves it whole: a cell that it has not known with another limit.
  await apply(cell('big', [container('main', { logs: { maxSize: '8Gi' } })]));
  await written('big', 'ready');
  const path = logFile('big', 'main');
  const size = 5 * 2 ** 30;
  const fd = openSync(path, 'w');
  writeSync(fd, '\nlast line\n', size); // what is before it is a hole, which reads as zeros
  closeSync(fd);
  expect(await kuke('logs', 'big', '--tail', '1')).toEndWith('last line\n');
  const program = start(['logs', 'big']);
  let [read, peak] = [0, Number.NaN];
  for await (const chunk of program.stdout) {
    read += chunk.length;
    if (read < 300e6) continue;
    // While it writes: it ends once nobody reads.
    peak = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${program.pid}/status`, 'utf8'))?.[1]);
    break;
  }
  expect(peak * 1024).toBeLessThan(150e6);
  program.kill();
  await program.exited;
});

describe('-f', () => {
  test('goes on until the container has ended, with its last words', async () => {
    await apply(cell('web', [shell('main', 'trap "echo last words; exit 3" TERM; echo first; sleep 1000 & wait')]));
    await written('web', 'first');
    const log = following('web', '--tail', '0');
    const all = following('web');
    await all.shown('first\n');
    await kuke('stop', 'cell', 'web');
    expect(await all.ended()).toEqual({ status: 0, text: 'first\nlast words\n' });
    expect(await log.ended()).toEqual({ status: 0, text: 'last words\n' });
    expect(await following('web').ended()).toEqual({ status: 0, text: 'first\nlast words\n' });
  });

  test('of all containers: each line with a name', async () => {
    await apply(
      cell('web', [shell('main', 'trap "exit 0" TERM; echo a; sleep 1000 & wait'), shell('sidecar', 'echo b; exit 0')]),
    );
    const log = following('web', '--all-containers');
    await log.shown('[main]    a\n');
    await log.shown('[sidecar] b\n');
    await kuke('stop', 'cell', 'web');
    expect((await log.ended()).status).toBe(0);
  });

  test('follows a log that is cut short, and one that is moved away', async () => {
    await apply(cell('web'));
    await written('web', 'ready');
    const path = logFile('web', 'main');
    const log = following('web');
    await log.shown('ready\n');
    truncateSync(path);
    appendFileSync(path, 'anew\n');
    await log.shown('ready\nanew\n');
    renameSync(path, `${path}.1`);
    appendFileSync(`${path}.1`, 'still there\n');
    await log.shown('anew\nstill there\n');
    writeFileSync(path, 'in its place\n');
    await log.shown('still there\nin its place\n');
    log.program.kill('SIGINT');
    expect((await log.ended()).status).toBe(130);
  });

  test('every line of many, written at once', async () => {
    await apply(cell('web', [shell('main', 'seq 200000; exit 0')]));
    const { status, text } = await following('web').ended();
    expect(status).toBe(0);
    expect(text).toBe(Array.from({ length: 200_000 }, (_, index) => `${index + 1}\n`).join(''));
  });

  test('ends when nobody reads any more', async () => {
    await apply(
      cell('web', [container('main', { command: ['/bin/sh', '-c', 'while :; do echo x; sleep 0.01; done'] })]),
    );
    const script = `"$0" logs -f web | head -2; echo "ended with \${PIPESTATUS[0]}"`;
    expect(await output('bash', '-c', script, binary)).toBe('x\nx\nended with 0\n');
  });
});
