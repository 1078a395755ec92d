/** Ending what runs in a container: a signal, time to heed it, then SIGKILL. The ended task stays, and with it the exit code. */
import type { StopParams } from 'kuke/plugin';
import type { Container } from '../client/index.ts';
import type { Containerd } from '../containerd.ts';
import { STOP_SIGNAL } from '../labels.ts';
import { lookUp } from './look-up.ts';
import { SIGKILL, SIGTERM, signalNumber } from './signals.ts';
import { endTask, exitCode, signalTask } from './task.ts';
import { takeWaiting } from './waiting.ts';

const LONGEST_TIMER = 2 ** 31 - 1; // milliseconds, setTimeout's own limit

/** No exit code: there was nothing to stop, or nobody knows it. Throws InvalidManifest for a signal that is none. */
export async function stopContainer(
  containerd: Containerd,
  { namespace, id, signal: wanted, timeoutMs }: StopParams,
  abort: AbortSignal,
): Promise<{ exitCode?: number }> {
  takeWaiting(containerd, { namespace, id });
  const { client, container, isOwn, task } = await lookUp(containerd, { namespace, id });
  if (container === undefined || task === undefined || !isOwn) return {};
  if (task.status === 'STOPPED') return { exitCode: task.exitStatus };
  if (task.status === 'CREATED') {
    // Left by a start that was killed: nothing has run in it.
    await endTask(client, id, abort);
    return {};
  }
  if (timeoutMs > 0) {
    await signalTask(client, task, stopSignal(wanted, container));
    const timeUp = AbortSignal.timeout(Math.min(timeoutMs, LONGEST_TIMER));
    try {
      return result(await exitCode(client, id, AbortSignal.any([abort, timeUp])));
    } catch (error) {
      if (abort.aborted || !timeUp.aborted) throw error;
    }
  }
  // As the first process of its pid namespace it takes all others with it.
  await signalTask(client, task, SIGKILL);
  return result(await exitCode(client, id, abort));
}

const result = (code: number | undefined) => (code === undefined ? {} : { exitCode: code });

function stopSignal(wanted: string | undefined, { labels }: Container): number {
  if (wanted !== undefined) return signalNumber(wanted);
  const own = labels[STOP_SIGNAL];
  try {
    return own === undefined ? SIGTERM : signalNumber(own);
  } catch {
    return SIGTERM; // an image that asks for nonsense must still be stoppable
  }
}
