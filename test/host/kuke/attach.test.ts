// containerd: once, since containerd-shim/runtime-lifecycle.test.ts holds what differs on each.
/** attach and `run -i -t` as a person has them: a terminal that is left and come back to, pipes, and nothing that stays. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import { output } from '../observe/command.ts';
import { processes } from '../observe/system.ts';
import { cell, IMAGE, logFile, pidsOf, shell, stateOf } from './cells.ts';
import { apply, applyFailing, binary, failing, kuke, run, start } from './kuke.ts';
import { onTerminal } from './on-terminal.ts';
import { leaks, type ReadyHost, readyHost, removeCells } from './ready-host.ts';

let host: ReadyHost;
beforeAll(async () => {
  host = await readyHost();
});
afterAll(() => host.containerd.stop());
afterEach(async () => {
  await removeCells();
  const left = (await leaks(host.before)).filter(
    line => !/file \/var\/log\/kukeon\/(?:main\/(?:default\/){0,2})?$/.test(line),
  );
  expect(left).toEqual([]);
});

const LEAVE = '\u0010\u0011';
/** What stty says of a terminal whose modes are as a shell has them. */
const AS_BEFORE = ['isig', 'icanon', 'echo', 'opost', 'onlcr'];
const modesAfter = (shown: string) => (shown.split(/ended with \d+/)[1] ?? '').split(/\s+/);
const log = (name: string) => readFileSync(logFile(name, 'main'), 'utf8');
const logged = (name: string, what: RegExp) =>
  eventually(async () => (what.test(log(name)) ? log(name) : undefined), 60_000);
const isThere = (command: string) => processes().some(one => one.command.join(' ') === command);
/** Until it answers, for what is typed before a client is there nobody reads. */
async function answers(terminal: ReturnType<typeof onTerminal>, typed: string, what: RegExp): Promise<void> {
  terminal.type(`${typed}\r`);
  await terminal.shown(what);
}

describe('on a terminal', () => {
  test('run -it is left, and come back to by several at once; the size follows, Ctrl-C goes in, and the exit code comes out', async () => {
    const first = onTerminal(`run -it --name box ${IMAGE} -- sh`);
    await first.shown(/# /);
    await answers(first, 'echo $TERM; stty size', /xterm\r\n20 90\r\n/);
    await answers(first, 'x=kept', /x=kept/);
    first.type(LEAVE);
    const shown = await first.shown(/ended with 0\r\n.* -?extproc/s);
    expect(shown).toContain('left; it runs on: `kuke attach box` comes back');
    expect(modesAfter(shown)).toEqual(expect.arrayContaining(AS_BEFORE));
    await first.exited;
    expect(await stateOf('box')).toBe('Ready');

    const [one, two] = [onTerminal('attach box'), onTerminal('attach box --detach-keys ctrl-a,d')];
    for (const terminal of [one, two]) await terminal.shown(/attached; .* leaves it running/);
    await answers(one, 'echo $x-$x', /kept-kept/);
    await two.shown(/kept-kept/);
    one.resize(44, 11);
    await one.shown(/# /);
    await answers(one, 'while [ "$(stty size)" != "11 44" ]; do :; done; echo resized', /\nresized/);
    one.type('sleep 3101\r');
    await eventually(async () => (isThere('sleep 3101') ? true : undefined), 60_000);
    one.type('\u0003');
    await eventually(async () => (isThere('sleep 3101') ? undefined : true), 60_000);
    two.type('\u0001d');
    await two.shown(/ended with 0/);
    one.type('exit 5\r');
    expect(modesAfter(await one.shown(/ended with 5\r\n.* -?extproc/s))).toEqual(expect.arrayContaining(AS_BEFORE));
    await Promise.all([one.exited, two.exited]);
    // All that any of them was shown, each once.
    const all = log('box');
    for (const once of ['xterm\r\n20 90', 'kept-kept\r\n', '\nresized', 'exit 5'])
      expect(all.split(once)).toHaveLength(2);
    expect(await failing(4, 'attach', 'box')).toContain('`kuke start cell box`');
  });

  test('that goes away leaves it running; --rm takes it when it ends', async () => {
    const gone = onTerminal(`run -it --rm --name box ${IMAGE} -- sh`);
    await gone.shown(/# /);
    gone.hangUp();
    await gone.exited;
    await eventually(async () => (processes().some(one => one.command[0] === binary) ? undefined : true), 60_000);
    expect(await stateOf('box')).toBe('Ready');
    await kuke('kill', 'cell', 'box'); // a shell does not mind SIGTERM
    await kuke('delete', 'cell', 'box', '--cascade');
    const ended = onTerminal(`run -it --rm -q --name box ${IMAGE} -- sh`);
    await ended.shown(/# /);
    ended.type('exit 6\r');
    await ended.shown(/ended with 6/);
    await ended.exited;
    expect(await kuke('get', 'cells', '-o', 'name')).toBe('');
  });
});

describe('pipes', () => {
  test('run -i ends with what comes in, byte for byte; -t without a terminal is refused', async () => {
    const many = 'x'.repeat(3_000_000);
    const sum = new Bun.CryptoHasher('md5').update(many).digest('hex');
    expect(await run(['run', '-i', '--rm', '-q', IMAGE, '--', 'sh', '-c', 'md5sum; exit 4'], { stdin: many })).toEqual({
      status: 4,
      stdout: `${sum}  -\n`,
      stderr: '',
    });
    expect(await failing(2, 'run', '-it', IMAGE)).toContain('leave out -t: `run -i`');
  });

  test('attach feeds what is kept once to its end; what is kept open reads on after it, and Ctrl-C leaves it running', async () => {
    const cat = 'echo ready; cat; echo end; exit 3';
    await apply(cell('once', [shell('main', cat, { stdin: true, stdinOnce: true })]));
    await logged('once', /ready/);
    expect(await run(['attach', 'once'], { stdin: 'hi\n' })).toEqual({ status: 3, stdout: 'hi\nend\n', stderr: '' });
    await apply(cell('open', [shell('main', cat, { stdin: true })]));
    await logged('open', /ready/);
    const program = start(['attach', 'open'], { stdin: 'one\n' });
    await logged('open', /one/);
    program.kill('SIGINT');
    expect([await program.exited, await program.stdout.text()]).toEqual([130, 'one\n']);
    const unheard = `${binary} attach open --no-stdin | true; echo "\${PIPESTATUS[0]}"`;
    expect(await output('bash', '-c', unheard)).toBe('0\n');
    const looking = start(['attach', 'open', '--no-stdin'], { stdin: 'not read\n' });
    const second = start(['attach', 'open'], { stdin: 'two\n' });
    await logged('open', /two/);
    await kuke('kill', 'cell', 'open');
    expect(await Promise.all([looking.exited, second.exited])).toEqual([137, 137]);
    expect(log('open')).toBe('ready\none\ntwo\n');
    // Who only looks changes nothing.
    const told = readFileSync('/var/log/kukeon/audit.jsonl', 'utf8').match(
      /"command":"kuke attach (?:once|open)[^"]*".*?"result":"attached"/g,
    );
    expect(told?.map(line => line.slice(11, line.indexOf('","')))).toEqual([
      'kuke attach once',
      'kuke attach open',
      'kuke attach open',
    ]);
    const wrong = cell('wrong', [shell('main', cat, { stdin: true, tty: true, stdinOnce: true })]);
    expect(await applyFailing(2, wrong)).toContain('spec.containers[0].stdinOnce');
  });

  test('who only looks is told when it ends; who is killed ends nothing', async () => {
    await apply(cell('web', [shell('main', 'trap "echo bye; exit 8" TERM; while :; do echo tick; sleep 0.05; done')]));
    const [killed, looking] = [start(['attach', 'web']), start(['attach', 'web'])];
    await killed.stdout.getReader().read();
    killed.kill('SIGKILL');
    await killed.exited;
    const reader = looking.stdout.getReader();
    let shown = Buffer.from((await reader.read()).value ?? []).toString();
    process.kill((await pidsOf('web')).main ?? 0, 'SIGTERM');
    for (let next = await reader.read(); !next.done; next = await reader.read())
      shown += Buffer.from(next.value).toString();
    expect(await looking.exited).toBe(8);
    expect(shown).toMatch(/^(?:tick\n)+bye\n$/);
  });
});
