// containerd: once, since what kukeond is as a process has nothing to do with it
/** kukeond as a service where no systemd runs: started by init, one at a time, killed and started again, audited, taken away by uninstall. */
process.env.KUKE_NO_DAEMON = '0';

import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Containerd, startContainerd } from '../containerd.ts';
import { cell, container, loadImage, pidsOf, untilState } from '../kuke/cells.ts';
import { footprint, scaffold } from '../kuke/footprint.ts';
import { apply, binary, failing, kuke, run } from '../kuke/kuke.ts';
import { output } from '../observe/command.ts';
import { difference, type Inventory } from '../observe/inventory.ts';
import { processes } from '../observe/system.ts';

const SOCKET = '/run/kukeon/kukeond.sock';
const PID_FILE = '/run/kukeon/kukeond.pid';
const AUDIT = '/var/log/kukeon/audit.jsonl';

interface Look {
  running: boolean;
  answers: boolean;
  pid?: number;
  version?: string;
}

let containerd: Containerd;
let before: Inventory;
beforeAll(async () => {
  containerd = await startContainerd();
  before = await footprint();
  await kuke('init');
  await loadImage();
});
afterAll(() => containerd.stop());

const look = async (): Promise<Look> => JSON.parse((await run(['daemon', 'status', '-o', 'json'])).stdout);
const ask = (path: string): Promise<string> => output('curl', '-sS', '--unix-socket', SOCKET, `http://kukeond${path}`);
const daemons = () => processes().filter(({ command }) => command[1] === 'daemon' && command[2] === 'serve');
const audited = () =>
  readFileSync(AUDIT, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));

test('init starts it, for root and the group that it makes, with an environment of its own', async () => {
  const { pid = 0, ...rest } = await look();
  expect(rest).toMatchObject({ running: true, answers: true, version: expect.stringMatching(/^\d/) });
  expect(daemons().map(one => one.pid)).toEqual([pid]);
  expect(readFileSync(PID_FILE, 'utf8')).toBe(`${pid}\n`);
  const group = Number(/^kukeon:[^:]*:(\d+):/m.exec(readFileSync('/etc/group', 'utf8'))?.[1]);
  const { mode, uid, gid } = statSync(SOCKET);
  expect([mode & 0o777, uid, gid]).toEqual([0o660, 0, group]);
  expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toMatch(/KUKE_|NOTIFY_SOCKET=(?!\/run\/kukeon)/);
  expect(await kuke('init')).toContain('kukeond unchanged');
  expect((await look()).pid).toBe(pid);
});

test('it goes before others, and what it starts for long does not', async () => {
  const { pid = 0 } = await look();
  // Of its main thread: proc_pid_stat(5).
  const niceOf = (of: number) =>
    Number(
      readFileSync(`/proc/${of}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')[16],
    );
  expect(niceOf(pid)).toBe(-10);
  const module = join(import.meta.dir, '../../../src/host/detached-process.ts');
  const starter = `
    import { startDetached } from ${JSON.stringify(module)};
    import { getPriority } from 'node:os';
    const { pid } = startDetached(['/bin/sleep', '1000'], { log: '/dev/null' });
    console.log(JSON.stringify({ pid, own: getPriority() }));`;
  const started = JSON.parse(await output('nice', '-n', '-10', process.execPath, '-e', starter));
  expect([started.own, niceOf(started.pid)]).toEqual([-10, 0]);
  process.kill(started.pid);
});

test('a second one refuses, and names the first', async () => {
  const { pid } = await look();
  const stderr = await failing(5, 'daemon', 'serve');
  expect(stderr).toContain(`kukeond runs already: pid ${pid}`);
  const called = Bun.spawnSync(['bash', '-c', `exec -a kukeond ${binary}`], { env: { PATH: process.env.PATH } });
  expect([called.exitCode, called.stderr.toString()]).toEqual([5, stderr]);
  expect(await look()).toMatchObject({ pid, answers: true });
});

test('killed, stopped, started, started anew: containers go on', async () => {
  await apply(cell('web', [container('main'), container('side')]));
  const running = await pidsOf('web');
  process.kill((await look()).pid ?? 0, 'SIGKILL');
  while (daemons().length > 0) await Bun.sleep(5);
  expect((await run(['daemon', 'status'])).status).toBe(3);
  expect(await kuke('get', 'cells')).toContain('Ready'); // its dead socket is in nobody's way
  expect(await kuke('daemon', 'start')).toMatch(/^kukeond started: pid \d+\n$/);
  expect(await kuke('daemon', 'start')).toMatch(/^kukeond runs already: pid \d+\n$/);
  const { pid } = await look();
  expect(await kuke('daemon', 'restart')).toMatch(/^kukeond restarted: pid \d+\n$/);
  expect((await look()).pid).not.toBe(pid);
  expect(await kuke('daemon', 'stop')).toContain('stopped');
  expect([existsSync(SOCKET), existsSync(PID_FILE), daemons()]).toEqual([false, false, []]);
  expect(await kuke('daemon', 'stop')).toContain('did not run');
  await kuke('daemon', 'start');
  await untilState('web', 'Ready');
  expect(await pidsOf('web')).toEqual(running);
});

test('it reads its configuration anew on SIGHUP, one that makes no sense is told and left', async () => {
  const { pid = 0 } = await look();
  const log = () => readFileSync('/var/log/kukeon/kukeond.log', 'utf8');
  const told = async (what: RegExp, times: number) => {
    while ((log().match(new RegExp(what, 'g')) ?? []).length < times) await Bun.sleep(5);
  };
  await output('mkdir', '-p', '/etc/kukeon');
  writeFileSync('/etc/kukeon/kuke.yaml', 'daemon: { metricsPort: 9464 }\n');
  process.kill(pid, 'SIGHUP');
  await told(/"message":"reloaded"/, 1);
  expect(await output('curl', '-sS', 'http://127.0.0.1:9464/metrics')).toMatch(/^kuke_cells\{state="Ready"\} 1$/m);
  writeFileSync('/etc/kukeon/kuke.yaml', 'daemon: { metricsPort: lots }\n');
  process.kill(pid, 'SIGHUP');
  await told(/cannot be reloaded/, 1);
  writeFileSync('/etc/kukeon/kuke.yaml', '');
  process.kill(pid, 'SIGHUP');
  await told(/"message":"reloaded"/, 2);
  expect((await run(['daemon', 'status'])).status).toBe(0);
  for (const line of log().trim().split('\n'))
    expect(JSON.parse(line)).toMatchObject({ time: expect.any(String), level: expect.any(String) });
  expect(JSON.parse((await kuke('daemon', 'logs', '--tail', '1')).trim())).toMatchObject({ message: 'reloaded' });
  expect(await ask('/metrics')).toContain('kuke_build_info');
});

test('each change is audited, with who, what, the fields and the result, with the daemon and without', async () => {
  const labelled = (a: string) =>
    cell('job', [container('main', { labels: { a }, env: [`PASSWORD=${a}hunter2`], restartPolicy: 'always' })]);
  await apply(labelled('1'));
  const without = { env: { KUKE_NO_DAEMON: '1' }, stdin: JSON.stringify(labelled('2')) };
  expect((await run(['apply', '-f', '-'], without)).status).toBe(0);
  await run(['apply', '-f', '-'], without);
  await failing(4, 'delete', 'cell', 'job');
  const lines = audited().filter(one => JSON.stringify(one).includes('default/job'));
  const job = 'cell main/default/default/job';
  const who = { uid: 0, user: 'root', pid: expect.any(Number), at: expect.stringMatching(/Z$/) };
  expect(lines).toMatchObject([
    { ...who, command: 'kuke apply -f -', result: 'done', resources: [{ resource: job, result: 'created' }] },
    { ...who, command: 'kuke apply -f -', result: 'done', resources: [{ resource: job, result: 'updated' }] },
    { ...who, command: 'kuke delete cell job', result: 'failed' },
  ]);
  const changes: { path: string; from?: string; to?: string }[] = lines[1].resources[0].changes;
  expect(changes).toContainEqual({ path: 'spec.containers[main].labels.a', from: '1', to: '2' });
  expect(readFileSync(AUDIT, 'utf8')).not.toContain('hunter2');
  const told = JSON.parse(await kuke('history', 'job', '-o', 'json'));
  expect(told.map(({ result }: { result: string }) => result)).toEqual(['failed', 'updated', 'created']);
  expect(await kuke('history', 'job')).toMatch(/ updated .* root +kuke apply -f -\n {2}spec\.containers\[main\]/);
  const { mode, gid } = statSync(AUDIT);
  expect([mode & 0o777, gid]).toEqual([0o640, statSync(SOCKET).gid]);
  expect(await failing(3, 'history', 'nobody')).toContain('nobody');
  // What is no plan of a command, too.
  await kuke('exec', 'job', '-e', 'TOKEN=hunter2', '--', '/bin/busybox', 'echo', 'hunter2');
  await kuke('cni', 'install', '--dir', '/opt/elsewhere');
  process.kill((await pidsOf('job')).main ?? 0, 'SIGKILL');
  const results = () => audited().flatMap(one => (one.resources as { result: string }[]).map(({ result }) => result));
  while (!results().some(result => result.startsWith('restarted'))) await Bun.sleep(20);
  expect(results()).toEqual(
    expect.arrayContaining([
      'exec',
      'installed CNI plugin /opt/elsewhere/bridge',
      'restarted main: it had ended with exit code 137',
    ]),
  );
  expect(readFileSync(AUDIT, 'utf8')).not.toContain('hunter2');
  await kuke('cni', 'uninstall');
});

test('what it sees and does is told by events, beside what commands did', async () => {
  await apply(cell('kept', [container('main', { restartPolicy: 'always' })]));
  const { main = 0 } = await pidsOf('kept');
  process.kill(main, 'SIGKILL');
  const events = async () => {
    const told = await kuke('events', '--for', 'cell/kept', '-o', 'json');
    return told
      .trim()
      .split('\n')
      .map(line => JSON.parse(line)) as { what: string }[];
  };
  while (!(await events()).some(({ what }) => what === 'restarted')) await Bun.sleep(20);
  expect(await events()).toMatchObject([
    { what: 'created', by: 'root', command: 'kuke apply -f -' },
    { what: 'died', containers: ['main'], exitCode: 137 },
    { what: 'restarted', containers: ['main'] },
  ]);
  expect(await kuke('rollout', 'restart', 'kept')).toContain('restarted');
  await kuke('delete', 'cell', 'kept', '--cascade');
  // Whether kukeond has looked in between is chance.
  const after = (await events()).slice(3).map(({ what }) => what);
  expect(after.filter(what => what !== 'died')).toEqual(['restarted', 'deleted']);
});

test('status says what is not as it was asked for', async () => {
  expect(JSON.parse(await kuke('status', '-o', 'json'))).toMatchObject({ daemon: { answers: true }, drift: [] });
  const { pid } = await look();
  expect(await kuke('status')).toMatch(new RegExp(`^kukeond +running \\(pid ${pid}, .*\\n(?:.*\\n)*drift +none$`, 'm'));
});

test('uninstall takes it away, with the group, the log and what was audited', async () => {
  await output('rm', '-r', '/etc/kukeon');
  await kuke('uninstall', '--yes');
  expect(daemons()).toEqual([]);
  expect(readFileSync('/etc/group', 'utf8')).not.toContain('kukeon');
  const backups = /^file \/etc\/(?:\.pwd\.lock|(?:group|gshadow)-)$/; // groupadd's own
  expect(difference(before, await footprint(), [...scaffold, backups])).toEqual([]);
});
