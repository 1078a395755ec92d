/** The compiled program as a plugin: by which name, what goes to which stream, and what a signal, a full pipe or a full disk leave. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { eventually } from '../../suites/contract.ts';
import { binary } from '../kuke/kuke.ts';
import { output } from '../observe/command.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { addresses } from '../observe/network.ts';

const BIN = '/opt/face';
const IPAM = '/opt/ipam';
const NETNS = '/run/netns/face';

const config = {
  cniVersion: '1.0.0',
  name: 'lab',
  type: 'bridge',
  bridge: 'lab0',
  isGateway: true,
  ipMasq: true,
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.77.0.0/24' }]], routes: [{ dst: '0.0.0.0/0' }] },
};
const usual = { CNI_CONTAINERID: 'c1', CNI_NETNS: NETNS, CNI_IFNAME: 'eth0', CNI_PATH: `${IPAM}:${BIN}` };

let before: Inventory;
beforeAll(async () => {
  mkdirSync(BIN);
  await copyFile(binary, `${BIN}/kuke`);
  for (const type of ['bridge', 'host-local', 'portmap']) linkSync(`${BIN}/kuke`, `${BIN}/${type}`);
  symlinkSync('kuke', `${BIN}/static`);
});
beforeEach(async () => {
  mkdirSync(IPAM);
  mkdirSync('/var/lib/cni/networks', { recursive: true });
  await output('ip', 'netns', 'add', 'face');
  before = await inventory();
});
afterEach(async () => {
  await output('ip', 'netns', 'delete', 'face');
  rmSync(IPAM, { recursive: true });
  rmSync('/var/lib/cni', { recursive: true });
});
afterAll(() => rmSync(BIN, { recursive: true }));

/** An IPAM plugin that is a shell script. */
function ipamPlugin(script: string): void {
  writeFileSync(`${IPAM}/mine`, `#!/bin/bash\n[ $CNI_COMMAND = ADD ] || exit 0\n${script}\n`);
  chmodSync(`${IPAM}/mine`, 0o755);
}
const ofMine = { ...config, ipam: { type: 'mine' } };
const GIVEN = `echo '{"cniVersion":"1.0.0","ips":[{"address":"10.77.0.9/24","gateway":"10.77.0.1"}]}'`;

interface Call {
  program?: string;
  argv0?: string;
  stdin?: unknown;
  stdout?: number | 'pipe';
  cwd?: string;
}

function start(
  env: Record<string, string>,
  { program = `${BIN}/bridge`, argv0, stdin, stdout = 'pipe', cwd }: Call = {},
) {
  const input = typeof stdin === 'string' ? stdin : JSON.stringify(stdin ?? config);
  return Bun.spawn([program], {
    env: { PATH: '/usr/bin:/usr/sbin', ...env },
    stdin: Buffer.from(input),
    stdout,
    stderr: 'pipe',
    ...(argv0 !== undefined && { argv0 }),
    ...(cwd !== undefined && { cwd }),
  });
}

async function call(env: Record<string, string>, options: Call = {}) {
  const child = start(env, options);
  const [stdout, stderr] = await Promise.all([
    typeof child.stdout === 'number' || child.stdout === undefined ? '' : child.stdout.text(),
    child.stderr.text(),
  ]);
  return { status: await child.exited, stdout, stderr };
}
const verb = (CNI_COMMAND: string, more: Record<string, string> = {}) => ({ CNI_COMMAND, ...usual, ...more });

const left = async () => difference(before, await inventory(), [/\/lab\/$/, /\/lab\/(?:lock|last_)/]);
/** On a busy machine a process that was killed stays a while, until it has the processor to end on. */
async function expectNothingLeft(): Promise<void> {
  await eventually(async () => (await left()).every(line => !line.includes(' process ')) || undefined).catch(() => {});
  expect(await left()).toEqual([]);
}
/** The bridge stays while a network does. */
const removeBridge = () => output('ip', 'link', 'delete', 'lab0');

test('a whole attachment, and nothing of it stays', async () => {
  const added = await call(verb('ADD'));
  expect({ status: added.status, stderr: added.stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(added.stdout)).toMatchObject({
    cniVersion: '1.0.0',
    ips: [{ address: '10.77.0.2/24', interface: 2 }],
  });
  expect((await addresses('face')).map(({ local }) => local)).toContain('10.77.0.2');
  const stdin = { ...config, prevResult: JSON.parse(added.stdout) };
  expect(await call(verb('CHECK'), { stdin })).toEqual({ status: 0, stdout: '', stderr: '' });
  for (const _ of [1, 2]) expect(await call(verb('DEL'), { stdin })).toEqual({ status: 0, stdout: '', stderr: '' });
  await removeBridge();
  await expectNothingLeft();
});

describe('which plugin it is', () => {
  // They tell themselves apart by what they make of a configuration without anything of theirs.
  const stdin = { cniVersion: '1.0.0', name: 'lab', type: 'bridge' };
  const msgOf = async (options: Call) =>
    JSON.parse((await call(verb('ADD'), { stdin, ...options })).stdout).msg as string;

  test.each([
    ['a hard link', { program: `${BIN}/host-local` }, /ipam/],
    ['a symbolic link', { program: `${BIN}/static` }, /ipam/],
    ['a relative path', { program: './host-local', cwd: BIN }, /ipam/],
    ['another name, and the type', { program: `${BIN}/kuke`, stdin: { ...stdin, type: 'portmap' } }, /prevResult/],
    ['a name against the type', { program: `${BIN}/portmap` }, /prevResult/],
  ])('by %s', async (_, options, says) => {
    expect(await msgOf(options)).toMatch(says);
  });

  test('without CNI_COMMAND it says what it is', async () => {
    const told = await call({}, { stdin: '' });
    expect(told).toEqual({ status: 0, stdout: '', stderr: expect.stringContaining('bridge: a CNI plugin') });
    expect(told.stderr).toContain('CNI protocol versions supported: 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0');
    expect((await call({ CNI_CONTAINERID: 'c1' }, { program: `${BIN}/kuke` })).stdout).toContain('kuke');
  });
});

describe('bad input', () => {
  test.each([0, 300])('standard input that comes in pieces, %d ms apart, in the middle of a character', async pause => {
    const child = Bun.spawn([`${BIN}/kuke`], { env: verb('ADD'), stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' });
    const whole = Buffer.from(JSON.stringify({ ...config, note: 'x'.repeat(50_000), type: 'né' }));
    const middle = whole.lastIndexOf('é') + 1;
    for (const piece of [whole.subarray(0, 9), whole.subarray(9, middle), whole.subarray(middle)]) {
      child.stdin.write(piece);
      await child.stdin.flush();
      await Bun.sleep(pause);
    }
    await child.stdin.end();
    expect(await child.stdout.json()).toMatchObject({ code: 7, msg: expect.stringContaining('"né"') });
  });

  test.each<[string, Record<string, string>, unknown, number]>([
    ['no variables', { CNI_COMMAND: 'ADD' }, undefined, 4],
    ['an unknown command', verb('FETCH'), undefined, 4],
    ['nothing on stdin', verb('ADD'), '', 6],
    ['garbage on stdin', verb('ADD'), '{"a":', 6],
    ['more than anybody means', verb('ADD'), ' '.repeat(17 << 20), 6],
    ['a version of old', verb('ADD'), { ...config, cniVersion: '0.2.0' }, 1],
    ['a verb of later', verb('GC'), { ...config, 'cni.dev/valid-attachments': [] }, 1],
  ])('%s', async (_, env, stdin, code) => {
    const { status, stdout, stderr } = await call(env, { stdin });
    expect({ status, stderr, ...JSON.parse(stdout) }).toMatchObject({
      status: 1,
      stderr: '',
      code,
      msg: expect.any(String),
    });
    await expectNothingLeft();
  });

  test.each<[string, Record<string, string>, unknown, RegExp]>([
    [
      'garbage',
      verb('ADD'),
      'garb',
      /^ADD bridge container=c1 ifname=eth0 netns=\S+ took=\S+ result=".* no JSON.*" code=6$/,
    ],
    ['no command', verb('FE\nTCH'), undefined, /^"FE\\nTCH" bridge .* result=".*" code=4$/],
    ['too much', verb('VERSION'), ' '.repeat(17 << 20), /^VERSION bridge .*16 MiB" code=6$/],
  ])('%s leaves a line in the log of who looks', async (_, env, stdin, says) => {
    const status = (await call({ ...env, KUKE_CNI_LOG: '/run/face.log' }, { stdin })).status;
    const lines = readFileSync('/run/face.log', 'utf8').trimEnd().split('\n');
    rmSync('/run/face.log');
    expect(status).toBe(1);
    expect(lines.map(line => line.replace(/^\S+Z /, ''))).toEqual([expect.stringMatching(says)]);
  });

  test('VERSION, which has no steps, is a line too', async () => {
    const { status } = await call({ ...verb('VERSION'), KUKE_CNI_LOG: '/run/face.log' }, {});
    const text = readFileSync('/run/face.log', 'utf8');
    rmSync('/run/face.log');
    expect(status).toBe(0);
    expect(text).toMatch(/^\S+Z VERSION bridge .*result=ok\n$/);
  });

  test('standard input that is closed, or a folder', async () => {
    for (const [redirected, code] of [
      ['<&-', 6],
      ['< /', 5],
    ] as const) {
      const { stdout, exitCode } = Bun.spawnSync(['bash', '-c', `${BIN}/bridge ${redirected}`], { env: verb('ADD') });
      expect({ exitCode, ...JSON.parse(stdout.toString()) }).toMatchObject({ exitCode: 1, code });
    }
  });

  test('what lies in the current folder is never executed', async () => {
    const cwd = '/tmp/hostile';
    mkdirSync(cwd, { recursive: true });
    for (const name of ['evil', 'host-local', 'nft', 'iptables']) {
      writeFileSync(`${cwd}/${name}`, '#!/bin/sh\ntouch /tmp/hostile/executed\n', { mode: 0o755 });
    }
    writeFileSync(`${cwd}/bunfig.toml`, 'preload = ["./evil.ts"]');
    writeFileSync(`${cwd}/evil.ts`, 'await Bun.write("/tmp/hostile/executed", "")');
    writeFileSync(`${cwd}/.env`, 'CNI_COMMAND=DEL');
    const stdin = { ...config, ipam: { type: 'evil' } };
    const { stdout, status } = await call(verb('ADD', { CNI_PATH: ':.:hostile' }), { cwd, stdin });
    expect({ status, ...JSON.parse(stdout) }).toMatchObject({ status: 1, msg: expect.stringContaining('evil') });
    expect((await call(verb('ADD', { CNI_PATH: '.', PATH: '.' }), { cwd })).status).toBe(0);
    expect((await call(verb('DEL', { CNI_PATH: '.', PATH: '.' }), { cwd })).status).toBe(0);
    expect(existsSync(`${cwd}/executed`)).toBe(false);
    await removeBridge();
  });
});

describe('called off', () => {
  test.each(['TERM', 'INT', 'HUP'])('SIG%s while IPAM takes its time', async signal => {
    ipamPlugin(`kill -${signal} $PPID; sleep 100`);
    const { status, stdout } = await call(verb('ADD'), { stdin: ofMine });
    expect({ status, ...JSON.parse(stdout) }).toMatchObject({
      status: 1,
      cniVersion: '1.0.0',
      code: 11,
      msg: expect.stringContaining(`SIG${signal}`),
    });
    await expectNothingLeft();
  });

  test('SIGTERM when nothing waits any more', async () => {
    ipamPlugin(`kill -TERM $PPID; ${GIVEN}`);
    const { status, stdout } = await call(verb('ADD'), { stdin: ofMine });
    expect({ status, ...JSON.parse(stdout) }).toMatchObject({ status: 1, code: 11 });
    await expectNothingLeft();
  });

  test('SIGTERM while another process has the lock of the reservations: at once, for nothing was reserved', async () => {
    mkdirSync('/var/lib/cni/networks/lab');
    const holder = Bun.spawn(['flock', '/var/lib/cni/networks/lab/lock', 'bash', '-c', 'echo held; read'], {
      stdin: 'pipe',
      stdout: 'pipe',
    });
    await holder.stdout.getReader().read();
    const stdin = Buffer.from(JSON.stringify(config));
    const child = Bun.spawn([`${BIN}/bridge`], { env: verb('ADD'), stdin, stdout: 'pipe', stderr: 'inherit' });
    // That it waits is to be seen in the kernel's list.
    const waits = () => / -> FLOCK +ADVISORY +WRITE /.test(readFileSync('/proc/locks', 'utf8'));
    await eventually(async () => waits() || undefined);
    child.kill('SIGTERM');
    // The lock is held until the program has ended: it cannot have waited for it.
    expect(JSON.parse(await child.stdout.text())).toMatchObject({
      code: 11,
      details: 'nothing of the attachment is left',
    });
    expect(await child.exited).toBe(1);
    expect(holder.exitCode).toBe(null);
    await holder.stdin.end();
    await holder.exited;
    await expectNothingLeft();
  });

  test('SIGTERM before the configuration has come', async () => {
    const child = Bun.spawn([`${BIN}/bridge`], { env: verb('ADD'), stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' });
    // It listens from the moment on that it catches the signal.
    const caught = () =>
      /^SigCgt:\s*[0-9a-f]*[4-7c-f][0-9a-f]{3}$/m.test(readFileSync(`/proc/${child.pid}/status`, 'utf8'));
    while (!caught()) await Bun.sleep(1);
    child.kill('SIGTERM');
    expect(JSON.parse(await child.stdout.text())).toMatchObject({ code: 11 });
    expect(await child.exited).toBe(1);
    await child.stdin.end();
  });

  test('SIGKILL: the DEL that follows leaves nothing', async () => {
    ipamPlugin(`kill -KILL $PPID; ${GIVEN}`);
    expect((await call(verb('ADD'), { stdin: ofMine })).status).toBe(137);
    expect(await call(verb('DEL'), { stdin: ofMine })).toEqual({ status: 0, stdout: '', stderr: '' });
    await expectNothingLeft();
  });
});

describe('an answer that does not arrive', () => {
  test('a full device: the ADD is undone', async () => {
    const child = start(verb('ADD'), { stdout: openSync('/dev/full', 'w') });
    expect(await child.stderr.text()).toContain('No space left on device');
    expect(await child.exited).toBe(1);
    await removeBridge();
    await expectNothingLeft();
  });

  test('a pipe that nobody reads: the ADD is undone', async () => {
    // A reader opens it, so that it can be opened for writing, and is gone by then.
    const script = `mkfifo /tmp/pipe; : < /tmp/pipe & exec 4> /tmp/pipe; wait; exec ${BIN}/bridge >&4`;
    const shell = Bun.spawn(['bash', '-c', script], {
      env: verb('ADD', { PATH: '/usr/bin' }),
      stdin: Buffer.from(JSON.stringify(config)),
      stderr: 'pipe',
    });
    expect(await shell.stderr.text()).toContain('Broken pipe');
    expect(await shell.exited).toBe(1);
    await removeBridge();
    await expectNothingLeft();
  });

  test('a full disk is an error of input and output', async () => {
    await output('mount', '-t', 'tmpfs', '-o', 'size=16k', 'none', '/var/lib/cni/networks');
    try {
      await Bun.spawn(['dd', 'if=/dev/zero', 'of=/var/lib/cni/networks/full'], { stderr: 'ignore' }).exited;
      const { status, stdout } = await call(verb('ADD'));
      expect({ status, ...JSON.parse(stdout) }).toMatchObject({
        status: 1,
        code: 5,
        details: expect.stringContaining('No space left on device'),
      });
    } finally {
      await output('umount', '/var/lib/cni/networks');
    }
    await expectNothingLeft();
  });
});

test('fifty at once on one network', async () => {
  const names = Array.from({ length: 50 }, (_, index) => `many${index}`);
  for (const name of names) await output('ip', 'netns', 'add', name);
  const each = (CNI_COMMAND: string) =>
    Promise.all(names.map(name => call(verb(CNI_COMMAND, { CNI_CONTAINERID: name, CNI_NETNS: `/run/netns/${name}` }))));
  const added = await each('ADD');
  expect(added.filter(({ status }) => status !== 0)).toEqual([]);
  const given = added.map(({ stdout }) => JSON.parse(stdout).ips[0].address as string);
  expect(new Set(given).size).toBe(50);
  expect((await each('DEL')).filter(({ status }) => status !== 0)).toEqual([]);
  for (const name of names) await output('ip', 'netns', 'delete', name);
  await removeBridge();
  await expectNothingLeft();
});
