/** What is left and what is seen after something was killed: kuke itself, a shim, containerd, the machine. */
import { describe, expect, test } from 'bun:test';
import { readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { connect } from '../../../plugins/containerd-shim/client/index.ts';
import { context, eventually, failure } from '../../suites/contract.ts';
import '../containerd.ts';
import { output } from '../observe/command.ts';
import * as ctr from '../observe/containerd.ts';
import { leavingNothing, shims } from './leaving-nothing.ts';
import { configOf, containersOf, foreignContainer, INSTANCE, NAMESPACE, runtimeOn } from './runtime-under-test.ts';

const runtime = runtimeOn();
const { the, create, inState, log, observed, remove, running, start, stop } = containersOf(runtime);
const client = connect({ socket: '/run/containerd/containerd.sock' }).with({ namespace: NAMESPACE });
const containerd = leavingNothing(runtime);

describe('what a crash leaves', () => {
  test('a task that was created and not started: start runs it anew, stop takes it away', async () => {
    for (const id of ['a', 'b']) {
      await create(id);
      const rootfs = await client.snapshots.mounts({ snapshotter: 'overlayfs', key: id });
      await client.tasks.create({ containerId: id, rootfs });
      expect((await observed(id))?.state).toBe('created');
    }
    expect((await ctr.tasks(NAMESPACE)).map(({ status }) => status)).toEqual(['CREATED', 'CREATED']);
    await start('a');
    expect((await observed('a'))?.state).toBe('running');
    expect(await stop('b')).toEqual({});
    expect((await ctr.tasks(NAMESPACE)).map(({ id }) => id)).toEqual(['a']);
  });

  test('a writable layer without a container: create takes it over, remove takes it away', async () => {
    const labels = { 'kukeon.io/instance': INSTANCE, 'containerd.io/gc.root': 'now' };
    for (const key of ['a', 'b']) await client.snapshots.prepare({ snapshotter: 'overlayfs', key, labels });
    await running('a');
    await remove('b');
    expect((await ctr.snapshots(NAMESPACE)).filter(({ kind }) => kind === 'Active').map(({ key }) => key)).toEqual([
      'a',
    ]);
  });

  test('a writable layer of somebody else’s is left alone', async () => {
    await client.snapshots.prepare({ snapshotter: 'overlayfs', key: 'a', labels: { 'containerd.io/gc.root': 'now' } });
    const error = await failure(create('a'), 'Conflict');
    expect(error.message).toContain('snapshot a exists');
    await remove('a');
    expect((await ctr.snapshots(NAMESPACE)).map(({ key }) => key)).toContain('a');
    await client.snapshots.remove({ snapshotter: 'overlayfs', key: 'a' });
  });

  test('a container of another configuration: replaced if it never ran, else a conflict', async () => {
    await create('a');
    const command = ['/bin/sh', '-c', 'echo other; echo ready; sleep 1000'];
    await running('a', { command });
    expect(log('a')).toContain('other');
    await stop('a', 0);
    const error = await failure(create('a'), 'Conflict');
    expect(error.message).toContain('another configuration');
    await create('a', { command });
    expect((await observed('a'))?.state).toBe('stopped');
  });

  test('a container of another configuration that somebody else has started is a conflict', async () => {
    await create('a');
    await output('ctr', '-n', NAMESPACE, 'tasks', 'start', '--null-io', '--detach', 'a');
    await failure(create('a', { hostname: 'other' }), 'Conflict');
    expect((await observed('a'))?.state).toBe('running');
  });

  test('the same configuration, in another order, is the same', async () => {
    await create('a');
    const created = await client.containers.get({ id: 'a' });
    await runtime.create(Object.fromEntries(Object.entries(configOf('a')).toReversed()) as never, context());
    expect((await client.containers.get({ id: 'a' })).createdAt).toEqual(created.createdAt);
  });
});

describe('a shim that dies', () => {
  test('is seen: the container is stopped, and nobody knows how it ended; it can be started again', async () => {
    const pid = await running('a');
    const [shim] = shims();
    process.kill(shim?.pid ?? 0, 'SIGKILL');
    const { exitCode, finishedAt, startedAt } = await inState('a', 'stopped');
    expect([exitCode, finishedAt]).toEqual([undefined, undefined]);
    expect(Date.parse(startedAt ?? '')).not.toBeNaN();
    expect(await stop('a')).toEqual({});
    expect((await start('a')).pid).not.toBe(pid);
    expect((await observed('a'))?.state).toBe('running');
  });

  test('while it is stopped', async () => {
    await running('a', { command: ['/bin/sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'] });
    const stopping = stop('a', 60_000);
    await eventually(async () => (client.callCount === 0 ? true : undefined));
    process.kill(shims()[0]?.pid ?? 0, 'SIGKILL');
    // 137 where containerd has killed what the shim left behind before it forgets the task.
    expect([{}, { exitCode: 137 }]).toContainEqual(await stopping);
  });
});

describe('containerd', () => {
  test('that is killed and comes back knows all, and what ended meanwhile', async () => {
    const a = await running('a');
    await running('b', { command: ['/bin/sh', '-c', 'trap "exit 7" TERM; echo ready; sleep 1000 & wait'] });
    const b = (await observed('b'))?.pid ?? 0;
    await containerd().kill();
    await failure(start('a'), 'RuntimeUnavailable');
    process.kill(b, 'SIGTERM');
    await containerd().start();
    expect(await observed('a')).toMatchObject({ state: 'running', pid: a });
    // From 1.7 on containerd drops a task that ended while it was away, and its exit code with it.
    expect([7, undefined]).toContain((await inState('b', 'stopped')).exitCode);
    expect(await stop('a')).toEqual({ exitCode: 0 });
  });

  test('after a reboot, without its state: containers are there, and do not run', async () => {
    const leaf = '/sys/fs/cgroup/kukeon/test/a';
    await running('a');
    await containerd().kill();
    for (const { pid } of shims()) process.kill(pid, 'SIGKILL');
    writeFileSync(`${leaf}/cgroup.kill`, '1');
    await eventually(async () =>
      readFileSync(`${leaf}/cgroup.events`, 'utf8').includes('populated 0') ? true : undefined,
    );
    rmdirSync(leaf);
    await output(
      'sh',
      '-c',
      'umount /run/containerd/io.containerd.runtime.v2.task/*/*/rootfs; rm -rf /run/containerd/*',
    );
    await containerd().start();
    expect(await observed('a')).toMatchObject({ state: 'stopped', startedAt: expect.any(String) });
    await start('a');
    expect((await observed('a'))?.state).toBe('running');
  });

  test('that was killed while it removed a task’s bundle: what is left of that is in nobody’s way', async () => {
    await running('a');
    await containerd().kill();
    for (const { pid } of shims()) process.kill(pid, 'SIGKILL');
    writeFileSync('/sys/fs/cgroup/kukeon/test/a/cgroup.kill', '1');
    await output(
      'sh',
      '-c',
      'cd /run/containerd/io.containerd.runtime.v2.task/*/a && rm -f address bootstrap.json runtime init.pid',
    );
    await containerd().start();
    await inState('a', 'stopped');
    await start('a');
    expect((await observed('a'))?.state).toBe('running');
  });
});

describe('observation', () => {
  test('a start that somebody else made is dated by the kernel', async () => {
    await create('a');
    await output('ctr', '-n', NAMESPACE, 'tasks', 'start', '--null-io', '--detach', 'a');
    const { startedAt } = await inState('a', 'running');
    expect(Math.abs(Date.parse(startedAt ?? '') - Date.now())).toBeLessThan(60_000);
  });

  test('what is not ours is not seen', async () => {
    await foreignContainer(NAMESPACE, 'theirs');
    const other = runtimeOn({ instance: 'another-instance' });
    await create('a');
    expect((await runtime.observe({ namespace: NAMESPACE })).map(({ id }) => id)).toEqual(['a']);
    expect(await other.observe({ namespace: NAMESPACE })).toEqual([]);
    await other.remove(the('a'), context());
    expect(await ctr.containers(NAMESPACE)).toEqual(['a', 'theirs']);
    await output('ctr', '-n', NAMESPACE, 'containers', 'rm', 'theirs');
  });
});
