/** The root file system of a running container, with all that is mounted in it, as a descriptor. */
import { closeSync, constants, openSync } from 'node:fs';
import { type ContainerParams, KukeError } from 'kuke/plugin';
import { hasCode } from '../../../src/host/errno.ts';
import type { Containerd } from '../containerd.ts';
import { ifFound } from '../errors.ts';
import { lookUp } from './look-up.ts';

const O_PATH = 0x200000;

/** Throws NotFound, Conflict (not running). */
export async function openRoot(containerd: Containerd, params: ContainerParams): Promise<{ fd: number } & Disposable> {
  const { id, namespace } = params;
  const { client, container, isOwn, task } = await lookUp(containerd, params);
  if (container === undefined || !isOwn) {
    throw new KukeError('NotFound', `there is no container ${id} of ours in ${namespace}`);
  }
  const notRunning = () => new KukeError('Conflict', `container ${id} is not running`);
  if (task === undefined || !hasRoot(task)) throw notRunning();
  const fd = open(task.pid);
  if (fd === undefined) throw notRunning();
  // It may have ended just before, and its pid be another's.
  const now = await ifFound(client.tasks.get({ containerId: id }));
  if (now === undefined || !hasRoot(now) || now.pid !== task.pid) {
    closeSync(fd);
    throw notRunning();
  }
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

const hasRoot = ({ status }: { status: string }): boolean => status === 'RUNNING' || status === 'PAUSED';

function open(pid: number): number | undefined {
  try {
    return openSync(`/proc/${pid}/root`, O_PATH | constants.O_DIRECTORY);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}
