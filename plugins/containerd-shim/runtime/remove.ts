/** Taking a container away: its task, the container object, its writable layer. The log stays. */
import type { RemoveParams } from 'kuke/plugin';
import type { Containerd } from '../containerd.ts';
import { ifFound } from '../errors.ts';
import { GROUP, isOurs } from '../labels.ts';
import { clearUserFiles } from './create.ts';
import { forgetExecsIn } from './exec-records.ts';
import { removeInput } from './input.ts';
import { lookUp } from './look-up.ts';
import { removeShimSocket } from './shim-socket.ts';
import { clearStray } from './stray.ts';
import { endTask } from './task.ts';
import { takeWaiting } from './waiting.ts';

/** What is not there, or not ours, is left as it is. */
export async function removeContainer(
  containerd: Containerd,
  { namespace, id, group: given }: RemoveParams,
  signal: AbortSignal,
): Promise<void> {
  takeWaiting(containerd, { namespace, id });
  const { client, instance, container, isOwn, task } = await lookUp(containerd, { namespace, id });
  if (container !== undefined) {
    if (!isOwn) return;
    await endTask(client, id, signal);
    if (task === undefined) await clearStray(containerd, namespace, container);
    await ifFound(client.containers.delete({ id }));
  }
  // Also when there was no container: a creation or a removal may have been killed in between.
  const snapshotter = container?.snapshotter ?? containerd.snapshotter;
  const key = container?.snapshotKey ?? id;
  const snapshot = await ifFound(client.snapshots.stat({ snapshotter, key }));
  if (snapshot !== undefined && isOurs(snapshot, instance))
    await ifFound(client.snapshots.remove({ snapshotter, key }));
  clearUserFiles({ namespace, id });
  removeInput(instance, { namespace, id });
  forgetExecsIn({ socket: containerd.socket, namespace, id });
  const group = container?.labels[GROUP] ?? given;
  if (group !== undefined) await removeShimSocket(client, containerd.socket, namespace, group);
}
