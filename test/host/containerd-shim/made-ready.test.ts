/** Containers that are made ready by their creation, as those of a new cell are: runc has set them up, and their first process waits. */
import { expect, test } from 'bun:test';
import { connect } from '../../../plugins/containerd-shim/client/index.ts';
import { context, failure } from '../../suites/contract.ts';
import '../containerd.ts';
import { output } from '../observe/command.ts';
import * as ctr from '../observe/containerd.ts';
import { leavingNothing } from './leaving-nothing.ts';
import { configOf, containersOf, NAMESPACE, runtimeOn } from './runtime-under-test.ts';

const runtime = runtimeOn();
const { create, log, observed, remove, start, stop } = containersOf(runtime);
leavingNothing(runtime);

test('the process that waits is the one that runs, and nothing of it has run before', async () => {
  await create('a', { ready: true });
  const [waiting] = await ctr.tasks(NAMESPACE);
  expect(waiting).toMatchObject({ id: 'a', status: 'CREATED' });
  expect((await observed('a'))?.state).toBe('created');
  expect(log('a')).toBe('');
  expect(await start('a')).toEqual({ pid: Number(waiting?.pid) });
  expect((await observed('a'))?.state).toBe('running');
  await stop('a', 0);
  // The next start has nothing ready.
  const { pid } = await start('a');
  expect(pid).not.toBe(Number(waiting?.pid));
});

test('one that somebody else has started meanwhile is left running; one that was taken away is made anew', async () => {
  const client = connect({ socket: '/run/containerd/containerd.sock' }).with({ namespace: NAMESPACE });
  for (const isStarted of [true, false]) {
    await create('a', { ready: true });
    const [waiting] = await ctr.tasks(NAMESPACE);
    if (isStarted) await client.tasks.start({ containerId: 'a' });
    else await output('ctr', '-n', NAMESPACE, 'tasks', 'rm', '--force', 'a');
    const { pid } = await start('a');
    expect((await observed('a'))?.state).toBe('running');
    expect(pid === Number(waiting?.pid)).toBe(isStarted);
    await remove('a');
  }
  client.close();
});

test('made again under the same configuration, it is left as it is; removed before its start, nothing stays', async () => {
  await create('a', { ready: true });
  const tasks = await ctr.tasks(NAMESPACE);
  await create('a');
  expect(await ctr.tasks(NAMESPACE)).toEqual(tasks);
  await remove('a');
  expect(await ctr.tasks(NAMESPACE)).toEqual([]);
});

test('one that cannot be made ready is not made, and says why as its start would', async () => {
  const { message, details } = await failure(
    runtime.create(configOf('a', { ready: true, command: ['/bin/no-such-program'] }), context()),
    'CommandNotFound',
  );
  expect(message).toContain('/bin/no-such-program');
  expect(details.step).toBe('start container a');
  expect(await ctr.tasks(NAMESPACE)).toEqual([]);
  expect(await ctr.containers(NAMESPACE)).toEqual([]);
  expect((await ctr.snapshots(NAMESPACE)).filter(({ kind }) => kind === 'Active')).toEqual([]);
});

test('containers that are asked for by label are given with their state, and no others', async () => {
  const labels = { 'kukeon.io/cell': 'main/default/blog/web' };
  await create('a', { labels, ready: true });
  await start('a');
  await create('b', { labels });
  await create('c', { labels: { 'kukeon.io/cell': 'main/default/blog/other' } });
  const seen = await runtime.observe({ namespace: NAMESPACE, labels });
  const all = await runtime.observe({ namespace: NAMESPACE });
  expect(seen.map(({ id, state }) => `${id} ${state}`)).toEqual(['a running', 'b created']);
  expect(seen).toEqual(all.filter(({ id }) => id !== 'c'));
});
