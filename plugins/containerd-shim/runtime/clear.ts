/** Taking an ended task away before the next one is started, in a cgroup that is made ready in between. */
import type { ContainerParams } from 'kuke/plugin';
import type { Containerd } from '../containerd.ts';
import { lookUp } from './look-up.ts';
import { endSeenTask } from './task.ts';
import { takeWaiting } from './waiting.ts';

/** Also one that a start which was killed has left, and what a deletion that was cut off has. */
export async function clearTask(
  containerd: Containerd,
  { namespace, id }: ContainerParams,
  signal: AbortSignal,
): Promise<void> {
  takeWaiting(containerd, { namespace, id });
  const { client, isOwn, task } = await lookUp(containerd, { namespace, id });
  if (!isOwn) return;
  if (task?.status === 'RUNNING' || task?.status === 'PAUSED' || task?.status === 'PAUSING') return;
  await endSeenTask(client, id, task, signal);
}
