/** Running a container: a new task whose output goes to the container's log. */
import { closeSync, constants, fstatSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { asKukeError, type ContainerParams, KukeError } from 'kuke/plugin';
import type { Client, Container } from '../client/index.ts';
import type { Containerd } from '../containerd.ts';
import { asContainerdError, ifFound } from '../errors.ts';
import { isOurs, LOG_PATH, STARTED_AT } from '../labels.ts';
import { startFailure } from './start-failure.ts';
import { endTask } from './task.ts';

/** Throws NotFound for a container that is not there or not ours, CommandNotFound, RuntimeFailed; no task is left then. */
export async function startContainer(
  containerd: Containerd,
  { namespace, id }: ContainerParams,
  signal: AbortSignal,
): Promise<{ pid: number }> {
  const client = containerd.client.with({ namespace });
  const [instance, container, task] = await Promise.all([
    containerd.instance(),
    ifFound(client.containers.get({ id })),
    ifFound(client.tasks.get({ containerId: id })),
  ]);
  if (container === undefined || !isOurs(container, instance)) {
    throw new KukeError('NotFound', `there is no container ${id} of ours in ${namespace}`);
  }
  if (task !== undefined) {
    if (task.status === 'RUNNING' || task.status === 'PAUSED' || task.status === 'PAUSING') return { pid: task.pid };
    await endTask(client, id, signal);
  }
  const rootfs = await client.snapshots.mounts({ snapshotter: container.snapshotter, key: container.snapshotKey });
  const log = logFile(container);
  if (signal.aborted) throw asKukeError(signal.reason, 'Cancelled');
  try {
    await client.tasks.create({ containerId: id, rootfs, stdout: log, stderr: log });
    const startedAt = new Date().toISOString();
    const [{ pid }] = await Promise.all([client.tasks.start({ containerId: id }), recordStart(client, id, startedAt)]);
    return { pid };
  } catch (error) {
    throw await undo(client, container, startFailure(error, container.image), signal);
  }
}

async function undo(client: Client, container: Container, failure: KukeError, signal: AbortSignal): Promise<KukeError> {
  const undone = await Promise.allSettled([
    endTask(client, container.id, signal),
    recordStart(client, container.id, container.labels[STARTED_AT] ?? ''),
  ]);
  const also = undone.filter(one => one.status === 'rejected');
  return failure.with(
    also.map(({ reason }) => asContainerdError(reason, { step: `undo the start of ${container.id}` })),
  );
}

/** An empty time takes the label away. */
async function recordStart(client: Client, id: string, time: string): Promise<void> {
  const updateMask = { paths: [`labels.${STARTED_AT}`] };
  await client.containers.update({ container: { id, labels: { [STARTED_AT]: time } }, updateMask });
}

/** Made before the shim makes it, so that not everybody may read it. The shim appends to what is there. */
function logFile({ id, labels }: Container): string {
  const path = labels[LOG_PATH];
  if (path === undefined) throw new KukeError('RuntimeFailed', `container ${id} has no label ${LOG_PATH}`);
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  const { O_WRONLY, O_CREAT, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants;
  const fd = openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o640);
  try {
    if (!fstatSync(fd).isFile())
      throw new KukeError('Conflict', `${path} is in the way of the log: it is not a regular file`);
  } finally {
    closeSync(fd);
  }
  return Bun.pathToFileURL(path).href;
}
