/** The task of a container, that is its processes: ending it, whatever state it is in. */
import type { Client } from '../client/index.ts';
import { isGrpcError } from '../client/index.ts';
import { ifFound } from '../errors.ts';
import { SIGKILL } from './signals.ts';

/** Sends a signal to the first process; one that has ended already does not mind. */
export async function signalTask(client: Client, containerId: string, signal: number): Promise<void> {
  await ifFound(client.tasks.kill({ containerId, signal }));
}

/** The exit code of the first process, waited for; undefined if nobody knows it: the task is gone, as after its shim's death. */
export async function exitCode(client: Client, containerId: string, signal: AbortSignal): Promise<number | undefined> {
  try {
    const exit = await ifFound(client.tasks.wait({ containerId }, { signal }));
    return exit?.exitStatus;
  } catch (error) {
    if (isGrpcError(error, 'CANCELLED', 'UNAVAILABLE')) throw error;
    // The shim died while it was asked; what containerd knows of it afterwards counts.
    const left = await ifFound(client.tasks.get({ containerId }));
    if (left === undefined) return undefined;
    if (left.status === 'STOPPED') return left.exitStatus;
    throw error;
  }
}

/** Kills what runs, and deletes the task. A container that has none is left as it is. */
export async function endTask(client: Client, containerId: string, signal: AbortSignal): Promise<void> {
  const task = await ifFound(client.tasks.get({ containerId }));
  if (task === undefined) return;
  if (task.status !== 'STOPPED') {
    await signalTask(client, containerId, SIGKILL);
    if (task.status === 'PAUSED' || task.status === 'PAUSING') await resumeTask(client, containerId);
    await exitCode(client, containerId, signal);
  }
  await ifFound(client.tasks.delete({ containerId }));
}

/** A frozen process takes a signal only when it is thawed. It may have ended meanwhile. */
export async function resumeTask(client: Client, containerId: string): Promise<void> {
  try {
    await client.tasks.resume({ containerId });
  } catch (error) {
    if (!isGrpcError(error, 'NOT_FOUND', 'FAILED_PRECONDITION')) throw error;
  }
}
