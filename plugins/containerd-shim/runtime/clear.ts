/** Taking an ended task away before the next one is started, in a cgroup that is made ready in between. */
import type { ContainerParams } from 'kuke/plugin';
import { type Containerd, inNamespace } from '../containerd.ts';
import { ifFound } from '../errors.ts';
import { isOurContainer } from '../labels.ts';
import { endTask } from './task.ts';

/** Also one that a start which was killed has left, and what a deletion that was cut off has. */
export async function clearTask(
  containerd: Containerd,
  { namespace, id }: ContainerParams,
  signal: AbortSignal,
): Promise<void> {
  const client = inNamespace(containerd, namespace);
  const [instance, container, task] = await Promise.all([
    containerd.instance(),
    ifFound(client.containers.get({ id })),
    ifFound(client.tasks.get({ containerId: id })),
  ]);
  if (container === undefined || !isOurContainer(container, instance)) return;
  if (task?.status === 'RUNNING' || task?.status === 'PAUSED' || task?.status === 'PAUSING') return;
  await endTask(client, id, signal);
}
