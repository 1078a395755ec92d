/** Waiting for a container to end, until its last words are in its log. */
import type { ContainerParams } from 'kuke/plugin';
import { descriptorsOf } from '../../../src/host/open-elsewhere.ts';
import { parentOf } from '../../../src/host/pidfd.ts';
import type { Containerd } from '../containerd.ts';
import { LOG_PATH } from '../labels.ts';
import { lookUp } from './look-up.ts';
import { exitCode } from './task.ts';

const WORDS_LIMIT_MS = 2000;
const INTERVAL_MS = 5;

export async function waitForEnd(
  containerd: Containerd,
  params: ContainerParams,
  signal: AbortSignal,
): Promise<{ exitCode?: number }> {
  const { client, container, isOwn, task } = await lookUp(containerd, params);
  if (task === undefined || !isOwn || task.status === 'CREATED') return {};
  // The shim is the process's parent while it runs.
  const shim = task.status === 'STOPPED' ? undefined : parentOf(task.pid);
  const code = await exitCode(client, params.id, signal);
  const log = container?.labels[LOG_PATH];
  if (shim !== undefined && log !== undefined) await untilClosed(shim, log, signal);
  return code === undefined ? {} : { exitCode: code };
}

/** The shim copies what is left in the pipes after it has told of the end, and says nothing when it is done but that it closes the log. */
async function untilClosed(pid: number, path: string, signal: AbortSignal): Promise<void> {
  const limit = performance.now() + WORDS_LIMIT_MS;
  while (descriptorsOf(pid, path).length > 0 && performance.now() < limit && !signal.aborted)
    await Bun.sleep(INTERVAL_MS);
}
