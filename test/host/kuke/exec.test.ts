// containerd: once, since containerd-shim/exec.test.ts and the runtime's suite hold what differs on each.
/** exec as a user has it: exit codes, signals, a terminal, pipes of any size, many at once, and nothing that stays. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { eventually } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { processes } from '../observe/system.ts';
import { cell, container } from './cells.ts';
import { apply, binary, failing, kuke, run, start } from './kuke.ts';
import { onTerminal } from './on-terminal.ts';
import { type ReadyHost, readyHost } from './ready-host.ts';

let host: ReadyHost;
let before: Inventory;
beforeAll(async () => {
  host = await readyHost();
  await apply(cell('web', [container('main', { env: ['WHO=main'] }), container('side', { env: ['WHO=side'] })]));
  await kuke('exec', 'web', '--', 'true');
  before = await inventory();
});
afterAll(() => host.containerd.stop());
afterEach(async () => {
  const left = async () => difference(before, await inventory());
  // The shim carries out the order to take a process away in its own time.
  await eventually(async () => ((await left()).length === 0 ? true : undefined)).catch(() => {});
  expect(await left()).toEqual([]);
});

const exec = (...argv: string[]) => run(['exec', 'web', ...argv]);
const shell = (script: string) => ['exec', 'web', '--', 'sh', '-c', script];
const isThere = (command: string) => processes().some(one => one.command.join(' ') === command);
const begun = (command: string) => eventually(async () => (isThere(command) ? true : undefined), 60_000);

describe('a command', () => {
  test('runs in the root container, or in the one that is named', async () => {
    expect(await exec('--', 'sh', '-c', 'echo $WHO; echo err >&2')).toEqual({
      status: 0,
      stdout: 'main\n',
      stderr: 'err\n',
    });
    expect(
      (await exec('-c', 'side', '-u', 'user', '-w', '/tmp', '-e', 'A=b', '--', 'sh', '-c', 'echo $WHO $A; pwd; id -u'))
        .stdout,
    ).toBe('side b\n/tmp\n1000\n');
  });

  test.each([
    [['sh', '-c', 'exit 42'], 42],
    [['sh', '-c', 'kill -TERM $$'], 143],
  ])('%j ends with %d, and kuke says nothing', async (command, status) => {
    expect(await exec('--', ...command)).toEqual({ status, stdout: '', stderr: '' });
  });

  test.each([
    [127, ['web', '--', 'nope'], 'nope cannot be run'],
    [126, ['web', '--', '/etc'], '/etc cannot be run'],
    [3, ['wep', '--', 'true'], '`web`'],
    [3, ['web', '-c', 'sid', '--', 'true'], 'did you mean `side`?'],
    [2, ['web', '-u', 'nobody', '--', 'true'], 'no nobody'],
    [2, ['-t', 'web', '--', 'sh'], 'neither standard input nor standard output is a terminal'],
    [2, ['-it', 'web', '--', 'sh'], 'standard input is not a terminal'],
  ])('that cannot be run: exit code %d for %j', async (status, argv, message) => {
    expect(await failing(status, 'exec', ...argv)).toContain(message);
  });

  test('takes no lock', async () => {
    const [lock = ''] = readdirSync('/run/kukeon').filter(name => name.endsWith('.lock'));
    const holder = Bun.spawn(['flock', '--no-fork', `/run/kukeon/${lock}`, 'sh', '-c', 'echo held; exec sleep 3000']);
    await holder.stdout.getReader().read();
    expect(await failing(6, 'stop', 'cell', 'web', '--lock-timeout', '100ms')).toContain('lock');
    expect((await exec('--', 'true')).status).toBe(0);
    expect(await kuke('logs', 'web')).toBe('ready\n');
    holder.kill();
    await holder.exited;
  });
});

describe('while a shim says nothing', () => {
  const held: number[] = [];
  async function hold(name: string): Promise<void> {
    const isShim = ({ command }: { command: string[] }) => command.includes(`default_default_${name}_root`);
    const pid = await eventually(async () => processes().find(isShim)?.pid);
    process.kill(pid, 'SIGSTOP');
    held.push(pid);
  }
  const goOn = () => {
    for (const pid of held.splice(0)) process.kill(pid, 'SIGCONT');
  };
  afterEach(goOn);

  /** It has taken over the signals of a command that runs in a container: of these, SIGUSR1 is heard by nothing else. */
  const hears = (pid: number) =>
    eventually(async () => {
      const [, mask = '0'] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
      return (BigInt(`0x${mask}`) & (1n << BigInt(constants.signals.SIGUSR1 - 1))) !== 0n ? true : undefined;
    });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s calls it off', async signal => {
    await hold('web');
    const program = start(['exec', 'web', '--', 'echo', 'ran']);
    await hears(program.pid);
    program.kill(signal);
    expect(await program.exited).toBe(1);
    expect(await program.stderr.text()).toContain(`cancelled by ${signal}`);
    expect(await program.stdout.text()).toBe('');
  });

  test('a terminal that goes away, which says so more than once, calls it off in good order', async () => {
    await hold('web');
    const program = start(['exec', 'web', '--', 'echo', 'ran']);
    await hears(program.pid);
    for (let i = 0; i < 3; i++) {
      program.kill('SIGHUP');
      await Bun.sleep(50);
    }
    expect(await program.exited).toBe(1);
    expect(await program.stderr.text()).toContain('cancelled by SIGHUP');
  });

  test('Ctrl-C calls it off on a terminal, too, which stays as it is', async () => {
    await hold('web');
    const terminal = onTerminal('exec -it web -- sh');
    const named = (one: { command: string[] }) => one.command.join(' ') === `${binary} exec -it web -- sh`;
    await hears(await eventually(async () => processes().find(named)?.pid));
    terminal.type('\u0003');
    const shown = await terminal.shown(/ended with 1\r\n.* -?extproc/s);
    await terminal.exited;
    expect(shown).toContain('cancelled by SIGINT');
    const [, after = ''] = shown.split('ended with');
    expect(after.split(/\s+/)).toEqual(expect.arrayContaining(['isig', 'icanon', 'echo', 'opost', 'onlcr']));
  });

  test('what a killed kuke has left there holds up no exec elsewhere, and is ended later', async () => {
    await apply(cell('other', [container('main')]));
    const program = start(['exec', 'other', '--', 'sleep', '3006']);
    await begun('sleep 3006');
    program.kill('SIGKILL');
    await program.exited;
    await hold('other');
    expect((await exec('--', 'true')).status).toBe(0);
    expect(isThere('sleep 3006')).toBe(true);
    goOn();
    expect((await exec('--', 'true')).status).toBe(0);
    await eventually(async () => (isThere('sleep 3006') ? undefined : true));
    await kuke('delete', 'cell', 'other', '--cascade');
  });
});

describe('what goes in and comes out', () => {
  const SIZE = 100 << 20;
  const file = '/root/many.bin';
  let sum: string;
  beforeAll(async () => {
    const fd = openSync(file, 'w');
    for (let written = 0; written < SIZE; written += 1 << 16)
      writeSync(fd, crypto.getRandomValues(new Uint8Array(1 << 16)));
    closeSync(fd);
    sum = ((await output('sha256sum', file)).match(/^\w+/) ?? [''])[0];
  });
  afterAll(() => rmSync(file));
  const bash = (script: string) => output('bash', '-c', `set -o pipefail; kuke() { ${binary} "$@"; }; ${script}`);

  test('is every byte of 100 MB each way, at the pace of a slow reader, from a file and through pipes', async () => {
    expect(await bash(`cat ${file} | kuke exec -i web -- cat | (sleep 1; sha256sum)`)).toBe(`${sum}  -\n`);
    expect(await bash(`kuke exec -i web -- sha256sum < ${file}`)).toBe(`${sum}  -\n`);
    expect(await bash(`kuke exec -i web -- cat < ${file} > ${file}.out; sha256sum < ${file}.out; rm ${file}.out`)).toBe(
      `${sum}  -\n`,
    );
  });

  test('ends when nobody reads any more, and so does the command', async () => {
    expect(await bash(`kuke exec web -- yes | head -1; echo "\${PIPESTATUS[0]}"`)).toBe('y\n141\n');
    expect(isThere('yes')).toBe(false);
  });

  test('without -i there is nothing to read', async () => {
    expect(await bash(`echo unread | kuke exec web -- cat`)).toBe('');
  });

  test('that does not fit on the disk is told', async () => {
    const error = await bash(`kuke exec web -- yes 2>&1 > /dev/full || true`);
    expect(error).toContain('standard output: No space left on device (ENOSPC)');
    expect(error).not.toContain('containerd');
    const ofLogs = await bash(`kuke logs web 2>&1 > /dev/full || true`);
    expect(ofLogs).toMatch(/standard output: No space left on device \(ENOSPC\)(?!.*bug)/);
    expect(isThere('yes')).toBe(false);
  });

  test('twenty at once, each with its own', async () => {
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        run(['exec', '-i', 'web', '--', 'sh', '-c', `cat; exit ${index}`], { stdin: `${index}` }),
      ),
    );
    expect(all).toEqual(Array.from({ length: 20 }, (_, index) => ({ status: index, stdout: `${index}`, stderr: '' })));
  });
});

describe('signals', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const)(
    '%s goes to the command',
    async signal => {
      const traps = `trap "echo got; exit 9" ${signal.slice(3)}; echo ready; while :; do sleep 0.05; done`;
      const program = start(shell(traps));
      const reader = program.stdout.getReader();
      await reader.read();
      program.kill(signal);
      expect(await program.exited).toBe(9);
      expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('got\n');
    },
  );

  test('one that heeds none is killed by the second', async () => {
    const program = start(shell('trap "" INT TERM; echo ready; while :; do sleep 0.05; done'));
    await program.stdout.getReader().read();
    program.kill('SIGINT');
    await Bun.sleep(50);
    program.kill('SIGTERM');
    expect(await program.exited).toBe(137);
  });

  test('what a killed kuke leaves is ended by the next exec', async () => {
    const program = start(['exec', 'web', '--', 'sleep', '3001']);
    await begun('sleep 3001');
    program.kill('SIGKILL');
    await program.exited;
    expect(isThere('sleep 3001')).toBe(true);
    await kuke('exec', 'web', '-c', 'side', '--', 'true');
    expect(isThere('sleep 3001')).toBe(false);
  });
});

describe('on a terminal', () => {
  test('a shell: each key comes as it is, the size follows, and the terminal is as it was afterwards', async () => {
    const terminal = onTerminal('exec -it web -- sh');
    await terminal.shown(/# /);
    terminal.type('stty size; echo $TERM\r');
    await terminal.shown(/20 90\r\nxterm\r\n/);
    terminal.type('trap "echo resized" WINCH\r');
    terminal.resize(44, 11);
    await eventually(async () => {
      terminal.type('stty size\r');
      await Bun.sleep(100);
      return (await terminal.shown(/# /)).includes('11 44\r\n') ? true : undefined;
    }, 60_000);
    terminal.type('sleep 3002\r');
    await begun('sleep 3002');
    terminal.type('\u0003'); // Ctrl-C is the command's, not kuke's
    await eventually(async () => (isThere('sleep 3002') ? undefined : true));
    terminal.type('exit 5\r');
    const [, after = ''] = (await terminal.shown(/ended with 5\r\n.* -?extproc/s)).split('ended with');
    expect(after.split(/\s+/)).toEqual(expect.arrayContaining(['isig', 'icanon', 'echo', 'opost', 'onlcr']));
    await terminal.exited;
  });

  test('that is gone takes the command along', async () => {
    const terminal = onTerminal('exec -it web -- sleep 3003');
    await begun('sleep 3003');
    terminal.hangUp();
    const left = () => isThere('sleep 3003') || isThere(`${binary} exec -it web -- sleep 3003`);
    await eventually(async () => (left() ? undefined : true), 60_000);
    await terminal.exited;
  });
});

test('in a container that ends meanwhile, or has ended', async () => {
  await apply(cell('short', [container('main')]));
  const program = start(['exec', 'short', '--', 'sleep', '3004']);
  await begun('sleep 3004');
  await kuke('kill', 'cell', 'short');
  expect(await program.exited).toBe(137);
  expect(await failing(4, 'exec', 'short', '--', 'true')).toContain('`kuke start cell short`');
  await kuke('start', 'cell', 'short');
  const killed = start(['exec', 'short', '--', 'sleep', '3005']);
  await begun('sleep 3005');
  killed.kill('SIGKILL');
  await killed.exited;
  await kuke('delete', 'cell', 'short', '--cascade'); // with what the killed one has left
});

test('without containerd', async () => {
  await host.containerd.stop();
  expect(await failing(5, 'exec', 'web', '--', 'true')).toContain('containerd');
  await host.containerd.start();
});
