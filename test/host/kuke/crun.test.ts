// containerd: once, since what differs is the OCI runtime's, which all of them call by the same shim.
/** A cell whose OCI runtime is crun: it comes and goes, and exec in it is as under runc, to the words of what fails. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { processes } from '../observe/system.ts';
import { cell, container } from './cells.ts';
import { apply, applyFailing, failing, kuke, run, start } from './kuke.ts';
import { onTerminal } from './on-terminal.ts';
import { leaks, type ReadyHost, readyHost } from './ready-host.ts';

const CRUN = '/opt/oci/crun';
const onCrun = (name: string, ...containers: ReturnType<typeof container>[]) =>
  cell(name, containers, { runtime: CRUN });

let host: ReadyHost;
let before: Inventory;
beforeAll(async () => {
  mkdirSync('/opt/oci', { recursive: true });
  // crun 1.8 asks for more locked memory than root may have in a box, and gives up. It only wants to know, then.
  const program = readFileSync('/usr/bin/crun', 'latin1').replace('\0setrlimit\0', '\0getrlimit\0');
  writeFileSync(CRUN, program, 'latin1');
  chmodSync(CRUN, 0o755);
  host = await readyHost();
  await apply(onCrun('web', container('main', { env: ['WHO=main'] }), container('side')));
  await kuke('exec', 'web', '--', 'true');
  before = await inventory();
});
afterAll(() => host.containerd.stop());
afterEach(async () => {
  expect(difference(before, await inventory())).toEqual([]);
});

const isThere = (command: string) => processes().some(one => one.command.join(' ') === command);
const begun = (command: string) => eventually(async () => (isThere(command) ? true : undefined), 60_000);

describe('exec', () => {
  test('has the environment, the user and the streams of its container, and its own exit code', async () => {
    const script = 'cat; echo $WHO; pwd; id -u; echo err >&2; exit 42';
    const argv = ['exec', '-i', 'web', '-u', 'user', '-w', '/tmp', '--', 'sh', '-c', script];
    const ran = await run(argv, { stdin: 'in\n' });
    expect(ran).toEqual({ status: 42, stdout: 'in\nmain\n/tmp\n1000\n', stderr: 'err\n' });
    expect(await run(['exec', 'web', '-c', 'side', '--', 'sh', '-c', 'kill -TERM $$'])).toMatchObject({ status: 143 });
  });

  test.each([
    [127, ['web', '--', 'nope'], /main: nope cannot be run: executable file `nope` not found in \$PATH/],
    [126, ['web', '--', '/etc'], /main: \/etc cannot be run: open executable: /],
    [126, ['web', '-w', '/nope', '--', 'true'], /main: chdir `?\/nope`?: .*--workdir/],
  ] as const)('that cannot be: exit code %d for %j, in words', async (status, argv, words) => {
    expect(await failing(status, 'exec', ...argv)).toMatch(words);
  });

  test('and the terminal of a first process is left, and come back to', async () => {
    await apply(onCrun('typed', container('main', { command: ['sh'], tty: true, stdin: true })));
    for (const [typed, what] of [
      ['x=kept; stty size', /20 90/],
      ['echo $x-$x', /kept-kept/],
    ] as const) {
      const terminal = onTerminal('attach typed');
      await terminal.shown(/attached/);
      terminal.type(`${typed}\r`);
      await terminal.shown(what);
      terminal.type('\u0010\u0011');
      await terminal.shown(/ended with 0/);
      await terminal.exited;
    }
    expect(await run(['attach', 'typed'], { stdin: 'exit 6\n' })).toMatchObject({ status: 6 });
    expect(await kuke('logs', 'typed')).toContain('kept-kept\r\n');
    await kuke('delete', 'cell', 'typed', '--cascade');
  });

  test('takes signals', async () => {
    const program = start([
      'exec',
      'web',
      '--',
      'sh',
      '-c',
      'trap "exit 9" INT; echo ready; while :; do sleep 0.05; done',
    ]);
    await program.stdout.getReader().read();
    program.kill('SIGINT');
    expect(await program.exited).toBe(9);
  });

  test('has a terminal of that size', async () => {
    const terminal = onTerminal('exec -it web -- sh');
    await terminal.shown(/# /);
    terminal.type('stty size; exit 5\r');
    expect(await terminal.shown(/ended with \d+\r\n.*extproc/s)).toMatch(/20 90\r\n.*ended with 5/s);
    await terminal.exited;
  });

  test('that is left by a killed kuke is ended by the next', async () => {
    const program = start(['exec', 'web', '--', 'sleep', '3001']);
    await begun('sleep 3001');
    program.kill('SIGKILL');
    await program.exited;
    await kuke('exec', 'web', '--', 'true');
    expect(isThere('sleep 3001')).toBe(false);
  });
});

test('a command that is not in the image is told as under runc, and nothing stays', async () => {
  const error = await applyFailing(1, onCrun('no', container('main', { command: '/bin/nope' })));
  expect(error).toContain('/bin/nope cannot be run in image');
  expect(await failing(3, 'get', 'cell', 'no')).toContain('not found');
});

test('it stops, starts again, and goes without a trace', async () => {
  await apply(onCrun('other', container('main')));
  await kuke('stop', 'cell', 'other');
  await kuke('start', 'cell', 'other');
  expect(await kuke('exec', 'other', '--', 'echo', 'again')).toBe('again\n');
  await kuke('delete', 'cell', 'other', '--cascade');
  expect((await leaks(before)).filter(line => line.startsWith('+'))).toEqual([]);
});
