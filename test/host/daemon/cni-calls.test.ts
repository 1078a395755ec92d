/** CNI plugins that runtimes execute, where kukeond runs: it does their work, with the same result, or they do it themselves. */
process.env.KUKE_NO_DAEMON = '0';

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { eventually } from '../../suites/contract.ts';
import { binary, kuke, run } from '../kuke/kuke.ts';
import { output } from '../observe/command.ts';
import { difference, type Inventory, inventory } from '../observe/inventory.ts';
import { addresses } from '../observe/network.ts';

const BIN = '/opt/handed';
const IPAM = '/opt/ipam';
const NETNS = '/run/netns/handed';
const SOCKET = '/run/kukeon/cni.sock';
const LOG = '/var/log/kukeon/kukeond.log';

const config = {
  cniVersion: '1.0.0',
  name: 'lab',
  type: 'bridge',
  bridge: 'lab0',
  isGateway: true,
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.77.0.0/24' }]] },
};

let before: Inventory;
beforeAll(async () => {
  mkdirSync(BIN);
  for (const type of ['bridge', 'host-local']) symlinkSync(binary, `${BIN}/${type}`);
  mkdirSync(IPAM);
  mkdirSync('/etc/kukeon', { recursive: true });
  writeFileSync('/etc/kukeon/kuke.yaml', 'daemon: { logLevel: debug }\n');
  mkdirSync('/var/lib/cni/networks', { recursive: true });
  await kuke('daemon', 'start');
});
afterAll(() => run(['daemon', 'stop']));
beforeEach(async () => {
  await output('ip', 'netns', 'add', 'handed');
  before = await inventory();
});
afterEach(async () => {
  await output('ip', 'netns', 'delete', 'handed');
  await run(['daemon', 'start']);
});

function start(command: string, { conf = config as object, prefix = [] as string[] } = {}) {
  const env = { CNI_COMMAND: command, CNI_CONTAINERID: 'c1', CNI_NETNS: NETNS, CNI_IFNAME: 'eth0' };
  return Bun.spawn([...prefix, `${BIN}/bridge`], {
    stdin: Buffer.from(JSON.stringify(conf)),
    stdout: 'pipe',
    env: { PATH: process.env.PATH, ...env, CNI_PATH: `${BIN}:${IPAM}` },
  });
}

async function call(command: string, options: Parameters<typeof start>[1] = {}) {
  const program = start(command, options);
  const [text, status] = await Promise.all([program.stdout.text(), program.exited]);
  return { status, answer: text === '' ? undefined : JSON.parse(text) };
}

const handed = (): number => (readFileSync(LOG, 'utf8').match(/"message":"a CNI call"/g) ?? []).length;
const daemonPid = (): number => Number(readFileSync('/run/kukeon/kukeond.pid', 'utf8'));

/** An address plugin of somebody else's, which says when it is asked, and takes its time. */
function slowIpam(): object {
  rmSync('/run/asked', { force: true });
  const result = JSON.stringify({ cniVersion: '1.0.0', ips: [{ address: '10.77.0.9/24', gateway: '10.77.0.1' }] });
  const script = `[ $CNI_COMMAND = ADD ] || exit 0\n: > /run/asked; sleep 1; echo '${result}'`;
  writeFileSync(`${IPAM}/slow`, `#!/bin/bash\n${script}\n`);
  chmodSync(`${IPAM}/slow`, 0o755);
  return { ...config, ipam: { type: 'slow' } };
}
const asked = () => eventually(async () => existsSync('/run/asked') || undefined, 20_000);

test('the socket is root’s alone', () => {
  expect(statSync(SOCKET).mode & 0o777).toBe(0o600);
});

/** On a busy machine the daemon may not answer at once: then it is asked again, from the beginning. */
async function addedByDaemon() {
  return eventually(async () => {
    const from = handed();
    const { status, answer } = await call('ADD');
    expect(status).toBe(0);
    if (handed() > from) return answer;
    await call('DEL');
    return undefined;
  }, 20_000);
}

test('ADD, CHECK and DEL are answered by the daemon, as the program itself does', async () => {
  const answer = await addedByDaemon();
  const [ip] = answer.ips;
  expect((await addresses('handed')).some(one => JSON.stringify(one).includes(ip.address.split('/')[0]))).toBe(true);
  const conf = { ...config, prevResult: answer };
  expect(await call('CHECK', { conf })).toEqual({ status: 0, answer: undefined });
  const again = await call('ADD');
  expect([again.status, again.answer.code]).toEqual([1, 4]);
  expect(await call('DEL', { conf })).toEqual({ status: 0, answer: undefined });
  expect(difference(before, await inventory(), [/lab0/, /\/networks\/lab\//])).toEqual([]);
});

test('who sees other mounts, or gets no answer at once, does its own work', async () => {
  const from = handed();
  const elsewhere = await call('ADD', { prefix: ['unshare', '--mount'] });
  expect([elsewhere.status, handed() - from]).toEqual([0, 0]);
  process.kill(daemonPid(), 'SIGSTOP');
  const hung = await call('DEL');
  process.kill(daemonPid(), 'SIGCONT');
  expect(hung.status).toBe(0);
  expect(difference(before, await inventory(), [/lab0/, /\/networks\/lab\//])).toEqual([]);
});

test('a caller that is called off leaves nothing: the daemon takes it back', async () => {
  await addedByDaemon();
  await call('DEL');
  const program = start('ADD', { conf: slowIpam() });
  await asked();
  program.kill('SIGTERM');
  await program.exited;
  await eventually(async () => difference(before, await inventory(), [/lab0/]).length === 0 || undefined, 20_000);
});

test('a daemon that ends in the middle: the runtime is told to try again, and its DEL finds what is left', async () => {
  // One that had to do its own work is not concerned.
  const { conf, status, answer } = await eventually(async () => {
    const from = handed();
    const one = slowIpam();
    const adding = call('ADD', { conf: one });
    await asked();
    const isHanded = handed() > from;
    if (isHanded) process.kill(daemonPid(), 'SIGKILL');
    const ended = await adding;
    if (!isHanded) await call('DEL', { conf: one });
    return isHanded ? { conf: one, ...ended } : undefined;
  }, 20_000);
  expect([status, answer]).toEqual([1, expect.objectContaining({ cniVersion: '1.0.0', code: 11 })]);
  expect((await call('DEL', { conf })).status).toBe(0);
  expect(difference(before, await inventory(), [/lab0/, /^process /])).toEqual([]);
});
