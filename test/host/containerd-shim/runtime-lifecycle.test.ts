/** Starting, stopping and removing, seen from outside. */
import { describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import type { ContainerConfig } from 'kuke/plugin';
import { connect } from '../../../plugins/containerd-shim/client/index.ts';
import { writeBytes } from '../../../src/host/byte-flow.ts';
import { context, eventually, failure } from '../../suites/contract.ts';
import '../containerd.ts';
import { output } from '../observe/command.ts';
import * as ctr from '../observe/containerd.ts';
import { mounts } from '../observe/system.ts';
import { isRunning, leavingNothing, shims } from './leaving-nothing.ts';
import { configOf, containersOf, INSTANCE, importImage, NAMESPACE, runtimeOn } from './runtime-under-test.ts';

const runtime = runtimeOn();
const { the, create, inState, log, observed, remove, run, running, start, stop } = containersOf(runtime);
const client = connect({ socket: '/run/containerd/containerd.sock' }).with({ namespace: NAMESPACE });
leavingNothing(runtime);

const leaf = (id: string) => `/sys/fs/cgroup/kukeon/test/${id}`;

describe('exit codes', () => {
  test.each([
    ['exit 0', 0],
    ['exit 3', 3],
    ['kill -KILL $$', undefined],
    ['sh -c "kill -KILL \\$\\$"; exit $?', 137],
  ])('%s', async (script, code) => {
    // The first process of a pid namespace is not killed from inside.
    expect((await run(script)).exitCode).toBe(code ?? 0);
  });

  test('of what is killed from outside', async () => {
    const pid = await running('a');
    process.kill(pid, 'SIGKILL');
    const { exitCode, finishedAt, startedAt } = await inState('a', 'stopped');
    expect(exitCode).toBe(137);
    expect(Date.parse(finishedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(startedAt ?? ''));
  });
});

describe('stop', () => {
  test('ends all processes of the container, and leaves the task to be observed', async () => {
    const pid = await running('a', { command: ['/bin/sh', '-c', 'sleep 1001 & trap "" TERM; echo ready; sleep 1002'] });
    const group = readFileSync(`${leaf('a')}/cgroup.procs`, 'utf8')
      .trim()
      .split('\n')
      .map(Number);
    expect(group).toContain(pid);
    expect(group.length).toBeGreaterThan(1);
    expect(await stop('a', 100)).toEqual({ exitCode: 137 });
    await eventually(async () => (group.some(isRunning) ? undefined : true));
    expect(await ctr.tasks(NAMESPACE)).toMatchObject([{ id: 'a', status: 'STOPPED' }]);
  });

  test('takes signals by number and by name, and refuses what is none', async () => {
    await running('a', { command: ['/bin/sh', '-c', 'trap "exit 5" HUP; echo ready; sleep 1000 & wait'] });
    const error = await failure(stop('a', 1000, 'SIGNONSENSE'), 'InvalidManifest');
    expect(error.message).toContain('SIGNONSENSE');
    expect((await observed('a'))?.state).toBe('running');
    expect(await stop('a', 20_000, '1')).toEqual({ exitCode: 5 });
  });

  test('thaws what is paused, and lets it end in its own way', async () => {
    await running('a');
    await output('ctr', '-n', NAMESPACE, 'tasks', 'pause', 'a');
    expect((await observed('a'))?.state).toBe('paused');
    expect(await stop('a')).toEqual({ exitCode: 0 });
  });

  test('that is cancelled leaves it running', async () => {
    await running('a', { command: ['/bin/sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'] });
    const abort = new AbortController();
    const stopping = failure(runtime.stop({ ...the('a'), timeoutMs: 60_000 }, context(abort.signal)), 'Cancelled');
    await eventually(async () => (client.callCount === 0 ? true : undefined));
    abort.abort();
    await stopping;
    expect((await observed('a'))?.state).toBe('running');
  });
});

test('a start takes the cgroup that has been made ready for it; that goes with the task, which is cleared before', async () => {
  await create('a');
  for (let round = 1; round <= 2; round++) {
    mkdirSync(leaf('a'), { recursive: true });
    const { ino } = statSync(leaf('a'));
    const { pid } = await start('a');
    expect(statSync(leaf('a')).ino).toBe(ino);
    expect(readFileSync(`${leaf('a')}/cgroup.procs`, 'utf8').split('\n')).toContain(String(pid));
    await stop('a', 0);
    expect(existsSync(leaf('a'))).toBe(true);
    await runtime.clear(the('a'), context());
    expect(existsSync(leaf('a'))).toBe(false);
    expect(await ctr.tasks(NAMESPACE)).toEqual([]);
  }
});

describe('a container that cannot start', () => {
  test.each([
    ['a command that is not there', { command: ['/nope'] }, 'CommandNotFound', '/nope cannot be run'],
    ['a command that is not on the path', { command: ['nope'] }, 'CommandNotFound', '$PATH'],
    ['a command that may not be executed', { command: ['/etc/passwd'] }, 'CommandNotFound', 'permission denied'],
    ['a directory as command', { command: ['/etc'] }, 'CommandNotFound', '/etc cannot be run'],
    ['a file as working directory', { workingDir: '/etc/passwd' }, 'RuntimeFailed', 'not a directory'],
    ['a network namespace that is not there', { netns: '/run/netns/none' }, 'RuntimeFailed', '/run/netns/none'],
    [
      'a file mounted over a directory',
      { mounts: [{ kind: 'bind' as const, source: '/etc/passwd', target: '/srv' }] },
      'RuntimeFailed',
      '/srv',
    ],
  ] as const)('%s', async (_, options, code, words) => {
    await create('a', options as object);
    const error = await failure(start('a'), code);
    expect(error.message).toContain(words);
    expect(error.message).not.toMatch(/OCI runtime|shim task|unable to start|: unknown$/);
    expect(error.details.step).toBe('start container a');
    expect(await ctr.tasks(NAMESPACE)).toEqual([]);
    expect((await observed('a'))?.state).toBe('created');
    expect(existsSync(leaf('a'))).toBe(false);
    expect(mounts().filter(({ target }) => target.startsWith('/run/containerd/'))).toEqual([]);
  });

  test('and has run before is still one that ran', async () => {
    await running('a');
    const startedAt = (await observed('a'))?.startedAt ?? '';
    await stop('a');
    await client.containers.update({
      container: { id: 'a', labels: { 'kukeon.io/log-path': '/proc/nonexistent/a.log' } },
      updateMask: { paths: ['labels.kukeon.io/log-path'] },
    });
    await failure(start('a'));
    expect(await observed('a')).toMatchObject({ state: 'stopped', startedAt });
  });

  test('a program for another machine ends at once, and its log says why', async () => {
    await create('a', { command: ['/bin/wrong'] });
    await start('a');
    const { exitCode } = await inState('a', 'stopped');
    expect(exitCode).not.toBe(0);
    await remove('a');
    expect(log('a')).toContain('exec format error');
  });
});

describe('one shim a group', () => {
  test('serves all of it, and outlives the first one', async () => {
    const first = await running('a');
    expect(shims()).toHaveLength(1);
    const [{ pid: shim } = { pid: 0 }] = shims();
    const [second] = await Promise.all([running('b'), running('c')]);
    expect(shims().map(({ pid }) => pid)).toEqual([shim]);
    await remove('a');
    expect(isRunning(first)).toBe(false);
    expect(isRunning(second)).toBe(true);
    expect((await observed('b'))?.state).toBe('running');
    await running('a');
    expect(shims().map(({ pid }) => pid)).toEqual([shim]);
  });

  test('and another one for another group', async () => {
    await running('a');
    await running('b', { group: 'other' });
    expect(shims()).toHaveLength(2);
  });
});

test('the commands that explain prints do the same', async () => {
  const namespace = 'kukeon-explained';
  const sh = (commands: string) => output('env', `KUKE_INSTANCE=${INSTANCE}`, 'sh', '-ec', commands);
  const id = 'a';
  await sh(runtime.explain('createNamespace', { namespace }));
  expect(await runtime.namespaces()).toContainEqual({ namespace, ours: true });
  await importImage(namespace);
  const mount = { kind: 'bind' as const, source: '/tmp', target: '/data', readOnly: true };
  const command = ['/bin/sleep', '1000'];
  const config = configOf(id, {
    namespace,
    command,
    env: ['QUOTED=it\'s "so"'],
    mounts: [mount],
    labels: { tier: 'web' },
  });
  await sh(runtime.explain('create', config));
  expect(await ctr.labels('containers', id, namespace)).toContain('tier=web');
  await sh(runtime.explain('start', { namespace, id }));
  const [task] = await ctr.tasks(namespace);
  expect(task?.status).toBe('RUNNING');
  const environment = () => readFileSync(`/proc/${task?.pid}/environ`, 'utf8');
  await eventually(async () => (environment().includes('QUOTED=it\'s "so"\0') ? true : undefined));
  expect(readFileSync(`/proc/${task?.pid}/mounts`, 'utf8')).toMatch(/ \/data \w+ ro,/);
  await sh(runtime.explain('stop', { namespace, id, timeoutMs: 1000 }));
  await eventually(async () => ((await ctr.tasks(namespace))[0]?.status === 'STOPPED' ? true : undefined));
  await sh(runtime.explain('clear', { namespace, id }));
  expect(await ctr.tasks(namespace)).toEqual([]);
  await sh(runtime.explain('start', { namespace, id }));
  await sh(runtime.explain('remove', { namespace, id }));
  expect([await ctr.tasks(namespace), await ctr.containers(namespace)]).toEqual([[], []]);
  await sh(runtime.explain('removeNamespace', { namespace }));
  expect(await ctr.namespaces()).not.toContain(namespace);
  rmdirSync(`/sys/fs/cgroup/${namespace}`); // where ctr puts it, and leaves it
});

describe('input', () => {
  /** As somebody who is attached types it. */
  async function typing(id: string, ...texts: string[]): Promise<void> {
    using input = await runtime.attach(the(id));
    for (const text of texts) expect(await writeBytes(input.stdin ?? -1, Buffer.from(text))).toBe(true);
  }
  const logged = (id: string, what: RegExp) => eventually(async () => (what.test(log(id)) ? log(id) : undefined));

  test('of a terminal goes on when who typed has gone; each run is appended to the log, and the FIFO goes at last', async () => {
    const shell: Partial<ContainerConfig> = {
      command: ['/bin/sh', '-c', 'stty -echo; echo ready; exec sh'],
      terminal: true,
      stdin: 'open',
    };
    await running('a', shell);
    await typing('a', 'echo $TERM; stty size\n');
    await logged('a', /xterm\r\n.*24 80\r\n/s);
    const [first, second] = [await runtime.attach(the('a')), await runtime.attach(the('a'))];
    expect([first.hasTerminal, second.hasTerminal]).toEqual([true, true]);
    await first.resize({ columns: 70, rows: 10 });
    first[Symbol.dispose]();
    expect(first.stdin).toBeUndefined();
    await second.fed(); // of a terminal, no end
    await writeBytes(second.stdin ?? -1, Buffer.from('stty size; exit 7\n'));
    await logged('a', /10 70\r\n/);
    expect(await runtime.wait(the('a'), new AbortController().signal)).toEqual({ exitCode: 7 });
    second[Symbol.dispose]();
    await failure(runtime.attach(the('a')), 'Conflict');
    const before = log('a');
    await start('a');
    await typing('a', 'echo again; exit 0\n');
    await logged('a', /again\r\n/);
    expect(log('a').startsWith(before)).toBe(true);
    await inState('a', 'stopped');
    const fifos = () => readdirSync('/run/kukeon').filter(name => name.startsWith('stdin-'));
    expect(fifos()).toHaveLength(1);
    await remove('a');
    expect(fifos()).toEqual([]);
    await failure(runtime.attach(the('a')), 'NotFound');
  });

  test('that is kept once ends when it is fed; other input never does, and without any there is nothing to read', async () => {
    const cat = ['/bin/sh', '-c', 'echo ready; cat; echo end'];
    for (const [id, stdin] of [['once', 'once'], ['open', 'open'], ['none']] as const)
      await running(id, { command: cat, ...(stdin && { stdin }) });
    expect(await logged('none', /end/)).toBe('ready\nend\n');
    for (const id of ['once', 'open']) {
      using input = await runtime.attach(the(id));
      expect(input.hasTerminal).toBe(false);
      await writeBytes(input.stdin ?? -1, Buffer.from('fed\n'));
      await input.fed();
    }
    expect(await runtime.wait(the('once'), new AbortController().signal)).toEqual({ exitCode: 0 });
    expect(log('once')).toBe('ready\nfed\nend\n');
    await typing('open', 'more\n');
    expect(await logged('open', /more/)).toBe('ready\nfed\nmore\n');
  });
});

test('20 rounds leave nothing', async () => {
  for (let round = 0; round < 20; round++) {
    const ids = ['a', 'b'];
    for (const id of ids) await create(id, { command: ['/bin/sleep', '1000'] });
    await Promise.all(ids.map(start));
    if (round % 2 === 0) await Promise.all(ids.map(id => stop(id, 0)));
    await Promise.all(ids.map(remove));
  }
  expect(await ctr.containers(NAMESPACE)).toEqual([]);
  expect(await ctr.tasks(NAMESPACE)).toEqual([]);
  expect((await ctr.snapshots(NAMESPACE)).filter(({ kind }) => kind === 'Active')).toEqual([]);
  expect(await ctr.leases(NAMESPACE)).toEqual([]);
});
