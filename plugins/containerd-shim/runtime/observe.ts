/** What is there, and what of it runs. */
import { readFileSync } from 'node:fs';
import type { ContainerObservation, NamespaceParams } from 'kuke/plugin';
import { identify } from '../../../src/host/pidfd.ts';
import type { ContainerOutline, Process } from '../client/index.ts';
import { type Containerd, inNamespace, readOnly } from '../containerd.ts';
import { ifFound } from '../errors.ts';
import { isOurContainer, oursFilter, STARTED_AT } from '../labels.ts';

/** The containers of ours in a namespace; none when there is no such namespace. */
export async function observeContainers(
  containerd: Containerd,
  { namespace, labels = {} }: NamespaceParams & { labels?: Record<string, string> },
): Promise<ContainerObservation[]> {
  const client = readOnly(inNamespace(containerd, namespace));
  const instance = await containerd.instance();
  const isAll = Object.keys(labels).length === 0;
  const filters = [oursFilter(instance, labels)];
  const [listed, all] = await Promise.all([
    Array.fromAsync(client.containers.list({ filters })),
    isAll ? client.tasks.list({}) : [],
  ]);
  // containerd asks each shim; of a few containers, that is better asked of theirs alone.
  const few = isAll ? [] : await Promise.all(listed.map(({ id }) => ifFound(client.tasks.get({ containerId: id }))));
  const tasks = [...all, ...few.filter(task => task !== undefined)];
  const taskOf = new Map(tasks.map(task => [task.id, task]));
  const containers = listed.filter(container => isOurContainer(container, instance));
  const boot = bootTime();
  return containers.map(container => ({
    namespace,
    id: container.id,
    labels: { ...container.labels },
    image: container.image,
    ...stateOf(container, taskOf.get(container.id), boot),
  }));
}

type Observed = Pick<ContainerObservation, 'state' | 'pid' | 'exitCode' | 'startedAt' | 'finishedAt'>;

function stateOf({ labels }: Pick<ContainerOutline, 'labels'>, task: Process | undefined, boot: number): Observed {
  const recorded = labels[STARTED_AT];
  const started = recorded !== undefined && { startedAt: recorded };
  switch (task?.status) {
    case 'RUNNING':
    case 'PAUSED':
    case 'PAUSING': {
      const startedAt = runningSince(task.pid, recorded, boot);
      const state = task.status === 'RUNNING' ? 'running' : 'paused';
      return { state, pid: task.pid, ...(startedAt !== undefined && { startedAt }) };
    }
    case 'STOPPED':
      return {
        state: 'stopped',
        exitCode: task.exitStatus,
        ...started,
        ...(task.exitedAt !== undefined && { finishedAt: task.exitedAt.toISOString() }),
      };
    case 'UNKNOWN':
      return { state: 'unknown', ...started };
    default:
      // Without a task it either never ran, or its shim or the machine went down: then nobody knows how it ended.
      return recorded === undefined || task !== undefined ? { state: 'created' } : { state: 'stopped', ...started };
  }
}

/** As exact as the kernel counts (proc_stat(5), btime). */
const TOLERANCE_MS = 2000;
const CLOCK_TICK_MS = 10; // USER_HZ is 100 wherever Linux runs

/**
 * When we started it, if the process was there by then: it is made first, and may wait long for its start. One that is younger, somebody else
 * has started; and what lies ahead is of a clock that was put back since: then what the kernel says.
 */
function runningSince(pid: number, recorded: string | undefined, boot: number): string | undefined {
  const process = identify(pid);
  if (process === undefined) return recorded;
  const made = boot + process.startTime * CLOCK_TICK_MS;
  const started = recorded === undefined ? Number.NaN : Date.parse(recorded);
  const isOurs = made - started <= TOLERANCE_MS && started - Date.now() <= TOLERANCE_MS;
  return isOurs ? recorded : new Date(made).toISOString();
}

/** By the clock as it is now: somebody may have moved it. In milliseconds. */
function bootTime(): number {
  const seconds = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'latin1'))?.[1];
  return Number(seconds ?? 0) * 1000;
}
