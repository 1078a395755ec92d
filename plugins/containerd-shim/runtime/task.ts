/** The task of a container, that is its processes: ending it, whatever state it is in. */
import type { ContainerParams } from 'kuke/plugin';
import { type Client, isGrpcError, type Process } from '../client/index.ts';
import type { Containerd } from '../containerd.ts';
import { ifFound } from '../errors.ts';
import { lookUp } from './look-up.ts';
import { SIGKILL, signalNumber } from './signals.ts';

/** To the first process of a container of ours; one that does not run does not mind. */
export async function sendSignal(containerd: Containerd, params: ContainerParams, name: string): Promise<void> {
  const { client, isOwn, task } = await lookUp(containerd, params);
  if (task !== undefined && isOwn && task.status !== 'STOPPED') await signalTask(client, task, signalNumber(name));
}

/** Sends a signal to the first process; one that has ended meanwhile does not mind. A frozen one is thawed, to take it. */
export async function signalTask(client: Client, { id: containerId, status }: Process, signal: number): Promise<void> {
  await unlessGone(client, containerId, client.tasks.kill({ containerId, signal }));
  if (status !== 'PAUSED' && status !== 'PAUSING') return;
  try {
    await client.tasks.resume({ containerId });
  } catch (error) {
    if (!isGrpcError(error, 'NOT_FOUND', 'FAILED_PRECONDITION')) throw error;
  }
}

/** The exit code of the first process, waited for; undefined if nobody knows it: the task is gone, as after its shim's death. */
export async function exitCode(client: Client, containerId: string, signal: AbortSignal): Promise<number | undefined> {
  const exit = await unlessGone(
    client,
    containerId,
    client.tasks.wait({ containerId }, { signal, timeoutMs: undefined }),
  );
  return exit?.exitStatus;
}

/**
 * Kills what runs, and deletes the task; a container that has none is left as it is. Where a deletion was cut off by the end of its
 * caller, containerd (1.6 to 2.1) knows of no task, refuses a new one, and its shim runs for ever, until somebody deletes it once more.
 */
export async function endTask(client: Client, containerId: string, signal: AbortSignal): Promise<void> {
  await endSeenTask(client, containerId, await ifFound(client.tasks.get({ containerId })), signal);
}

/** The same; `task`: as it has just been seen. */
export async function endSeenTask(
  client: Client,
  containerId: string,
  task: Process | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (task !== undefined && task.status !== 'STOPPED') {
    await signalTask(client, task, SIGKILL);
    await exitCode(client, containerId, signal);
  }
  await unlessGone(client, containerId, client.tasks.delete({ containerId }));
}

/** A call that fails because the shim has just died (`ttrpc: closed`) is no failure: the task died with it. */
async function unlessGone<T>(client: Client, containerId: string, call: Promise<T>): Promise<T | undefined> {
  try {
    return await ifFound(call);
  } catch (error) {
    if (isGrpcError(error, 'CANCELLED', 'UNAVAILABLE') || (await ifFound(client.tasks.get({ containerId }))))
      throw error;
    return undefined;
  }
}

/** A process that has ended, or has gone with its container, does not mind. */
export async function ifThere<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await ifFound(call);
  } catch (error) {
    if (isGrpcError(error, 'FAILED_PRECONDITION')) return undefined;
    if (isGrpcError(error, 'UNKNOWN') && /process already finished|ttrpc: closed/.test(error.message)) return undefined;
    throw error;
  }
}
