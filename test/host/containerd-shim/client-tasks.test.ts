/** Containers and tasks through the client, on a real containerd with a real runc, and what `ctr` then sees of them. */
import { beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, readFileSync } from 'node:fs';
import {
  eventOf,
  isGrpcError,
  ociProcess,
  ociSpec,
  runcOptions,
  subscribe,
} from '../../../plugins/containerd-shim/client/index.ts';
import { busybox } from '../image.ts';
import { output } from '../observe/command.ts';
import { tar } from '../tar.ts';
import { client, ctr, failureOf, NAMESPACE } from './client-under-test.ts';

describe('containers and tasks', () => {
  const bundleOf = (...args: string[]) => ({
    ociVersion: '1.0.2',
    process: { args, cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 } },
    root: { path: 'rootfs' },
    hostname: 'test',
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
    linux: {
      cgroupsPath: '/test/task',
      namespaces: ['pid', 'mount', 'ipc', 'uts', 'network'].map(type => ({ type })),
    },
  });
  const rootfs = [{ type: 'bind', source: '/tmp/rootfs', options: ['rbind', 'rw'] }];
  const containerId = 'task';

  beforeAll(async () => {
    mkdirSync('/tmp/rootfs/proc', { recursive: true });
    await Bun.write('/tmp/rootfs.tar', tar(busybox()));
    await output('tar', '-C', '/tmp/rootfs', '-xf', '/tmp/rootfs.tar');
  });

  async function create(...args: string[]): Promise<void> {
    await client.containers.create({
      container: {
        id: containerId,
        labels: { 'kuke.io/cell': 'web' },
        spec: ociSpec(bundleOf(...args)),
        runtime: { name: 'io.containerd.runc.v2', options: runcOptions({}) },
        extensions: { 'kuke.io/extra': { typeUrl: 'x', value: Uint8Array.of(1, 2) } },
      },
    });
  }

  test('from create to delete', async () => {
    const events = await subscribe(client.events, [`topic~="/(tasks|containers)/.*",namespace==${NAMESPACE}`]);
    // The shim publishes those of tasks, and may be ended with the task before it has sent that one's deletion: that is not waited for.
    const topics = ['/containers/create', '/tasks/create', '/tasks/start', '/tasks/exit', '/containers/delete'];
    const comes = new Map(topics.map(topic => [topic, Promise.withResolvers<void>()]));
    const listening = (async () => {
      for await (const envelope of events) {
        const event = eventOf(envelope);
        if (event?.type === 'containerd.events.TaskExit' && event.id === containerId) expect(event.exitStatus).toBe(7);
        comes.get(envelope.topic)?.resolve();
        if (envelope.topic === '/containers/delete') return;
      }
    })();

    await create('sh', '-c', 'echo started; trap "exit 7" TERM; while :; do sleep 0.05; done');
    expect(await ctr('containers', 'ls', '-q')).toBe(`${containerId}\n`);
    const container = await client.containers.get({ id: containerId });
    expect(container.extensions['kuke.io/extra']).toMatchObject({ typeUrl: 'x', value: Uint8Array.of(1, 2) });
    const listed = (cell: string) =>
      Array.fromAsync(client.containers.list({ filters: [`labels."kuke.io/cell"==${cell}`] }));
    const { id, labels, image, snapshotKey } = container;
    expect(await listed('web')).toEqual([{ id, labels, image, snapshotKey }]);
    expect(await listed('other')).toEqual([]);
    await client.containers.update({
      container: { id: containerId, labels: { 'kuke.io/cell': 'db' } },
      updateMask: { paths: ['labels'] },
    });
    expect(await ctr('containers', 'info', containerId)).toContain('"kuke.io/cell": "db"');

    const stdout = 'file:///tmp/task.log';
    const { pid } = await client.tasks.create({ containerId, rootfs, stdout, stderr: stdout });
    expect(await client.tasks.get({ containerId })).toMatchObject({ pid, status: 'CREATED', exitedAt: undefined });
    const exited = client.tasks.wait({ containerId });
    expect(await client.tasks.start({ containerId })).toEqual({ pid });
    expect(await ctr('tasks', 'ls')).toMatch(new RegExp(`task +${pid} +RUNNING`));
    expect(await client.tasks.list({})).toMatchObject([{ id: containerId, pid, status: 'RUNNING', stdout }]);

    await client.tasks.pause({ containerId });
    expect((await client.tasks.get({ containerId })).status).toBe('PAUSED');
    await client.tasks.resume({ containerId });
    expect((await client.tasks.listPids({ containerId })).map(process => process.pid)).toContain(pid);

    await client.tasks.exec({
      containerId,
      execId: 'extra',
      spec: ociProcess({ args: ['sh', '-c', 'hostname; exit 3'], cwd: '/', env: ['PATH=/bin'] }),
      stdout: 'file:///tmp/exec.log',
      stderr: 'file:///tmp/exec.log',
    });
    const execExited = client.tasks.wait({ containerId, execId: 'extra' });
    await client.tasks.start({ containerId, execId: 'extra' });
    expect((await execExited).exitStatus).toBe(3);
    expect((await client.tasks.deleteProcess({ containerId, execId: 'extra' })).exitStatus).toBe(3);
    expect(readFileSync('/tmp/exec.log', 'utf8')).toBe('test\n');

    // UNKNOWN in 1.6.
    expect((await failureOf(client.tasks.delete({ containerId }))).message).toContain(
      'cannot delete a running process',
    );
    await client.tasks.kill({ containerId, signal: 15 });
    const { exitStatus, exitedAt } = await exited;
    expect(exitStatus).toBe(7);
    expect(Math.abs(Date.now() - (exitedAt?.getTime() ?? 0))).toBeLessThan(3_600_000);
    expect(readFileSync('/tmp/task.log', 'utf8')).toBe('started\n');
    expect(await client.tasks.get({ containerId })).toMatchObject({ status: 'STOPPED', exitStatus: 7 });
    expect(await failureOf(client.tasks.kill({ containerId, signal: 15 }))).toMatchObject({ codeName: 'NOT_FOUND' });
    for (const topic of topics.slice(0, -1)) await comes.get(topic)?.promise;
    expect(await client.tasks.delete({ containerId })).toMatchObject({ exitStatus: 7, pid });

    await client.containers.delete({ id: containerId });
    await Promise.all([listening, ...[...comes.values()].map(({ promise }) => promise)]);
    expect(await ctr('containers', 'ls', '-q')).toBe('');
    expect((await ctr('tasks', 'ls')).trim().split('\n')).toHaveLength(1);
    expect(await failureOf(client.tasks.get({ containerId }))).toMatchObject({ codeName: 'NOT_FOUND' });
    expect(await failureOf(client.containers.get({ id: containerId }))).toMatchObject({ codeName: 'NOT_FOUND' });
  });

  test("a command that is not there: runc's own words, and nothing stays", async () => {
    await create('/bin/nothing');
    const failure = await failureOf(
      client.tasks.create({ containerId, rootfs }).then(() => client.tasks.start({ containerId })),
    );
    expect(failure.message).toContain('/bin/nothing');
    expect(failure.message).toContain('no such file or directory');
    await client.tasks.delete({ containerId }).catch(error => {
      if (!isGrpcError(error, 'NOT_FOUND')) throw error;
    });
    await client.containers.delete({ id: containerId });
    expect(await client.tasks.list({})).toEqual([]);
  });
});
