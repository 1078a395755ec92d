/** What carries this installation's label in containerd and belongs to no resource. */
import { readFileSync, rmSync } from 'node:fs';
import { CGROUP_ROOT, type Claims, type Finding, shellCommand } from 'kuke/plugin';
import { hasCode } from '../../src/host/errno.ts';
import type { Client } from './client/index.ts';
import { type Containerd, inNamespace, readOnly } from './containerd.ts';
import { abandonedLeases, releaseAbandoned } from './images/lease.ts';
import { GC_ROOT, GROUP, isOurContainer, isOurs } from './labels.ts';
import { explain } from './runtime/explain.ts';
import { strayInputs } from './runtime/input.ts';
import { removeNamespace } from './runtime/namespace.ts';
import { removeContainer } from './runtime/remove.ts';
import { endTask } from './runtime/task.ts';

/** In an order in which they can be removed. */
export async function orphansIn(containerd: Containerd, claims: Claims): Promise<Finding[]> {
  const instance = await containerd.instance();
  const all = await readOnly(containerd.client).namespaces.list({});
  const ours = all.filter(one => isOurs(one, instance)).map(({ name }) => name);
  const held = await Promise.all(ours.map(name => orphansOf(containerd, instance, name, claims)));
  const unclaimed = ours.filter(name => !claims.namespaces.includes(name));
  return [
    ...held.flat(),
    ...strayInputs(instance, claims.containers).map(path =>
      orphan(
        'Input',
        `${path}, a container’s standard input, is of no container`,
        async () => rmSync(path, { force: true }),
        () => shellCommand('rm', path),
      ),
    ),
    ...unclaimed.map(namespace =>
      orphan(
        'Namespace',
        `containerd namespace ${namespace}, with its images, is of no realm`,
        () => removeNamespace(containerd, { namespace }),
        () => explain('removeNamespace', { namespace }),
      ),
    ),
  ];
}

async function orphansOf(
  containerd: Containerd,
  instance: string,
  namespace: string,
  claims: Claims,
): Promise<Finding[]> {
  const client = inNamespace(containerd, namespace);
  const reading = readOnly(client);
  const { snapshotter } = containerd;
  const [containers, tasks, snapshots, leases] = await Promise.all([
    Array.fromAsync(reading.containers.list({})),
    reading.tasks.list({}),
    Array.fromAsync(reading.snapshots.list({ snapshotter, filters: [`labels."${GC_ROOT}"`] })),
    abandonedLeases(reading, instance),
  ]);
  const isClaimed = (id: string) => claims.containers.includes(`${namespace}/${id}`);
  const known = new Set(containers.map(({ id }) => id));
  const used = new Set(containers.map(({ snapshotKey }) => snapshotKey));
  const strays = tasks.filter(({ id, pid }) => !known.has(id) && isInOurCgroup(pid));
  return [
    ...strays.map(({ id }) =>
      orphan(
        'Task',
        `task ${id} in ${namespace} is of no container`,
        signal => endStray(client, id, signal),
        () => explainStray(namespace, id),
      ),
    ),
    ...containers
      .filter(one => isOurContainer(one, instance) && !isClaimed(one.id))
      .map(({ id, labels }) => {
        const group = labels[GROUP];
        const params = { namespace, id, ...(group !== undefined && { group }) };
        return orphan(
          'Container',
          `container ${id} in ${namespace} is of no cell`,
          signal => removeContainer(containerd, params, signal),
          () => explain('remove', params),
        );
      }),
    // What a creation makes first; the layers of images are no roots of the garbage collection.
    ...snapshots
      .filter(one => one.kind === 'ACTIVE' && isOurs(one, instance) && !used.has(one.name))
      .map(({ name: id }) =>
        orphan(
          'Snapshot',
          `snapshot ${id} in ${namespace} is of no container`,
          signal => removeContainer(containerd, { namespace, id }, signal),
          () => shellCommand('ctr', '-n', namespace, 'snapshots', '--snapshotter', snapshotter, 'rm', id),
        ),
      ),
    // No fault: the next pull goes on with what it holds, and any other work of the kind releases it.
    ...leases.map(id => ({
      ...orphan(
        'Lease',
        `lease ${id} in ${namespace} is of a kuke that has ended`,
        () => releaseAbandoned(client, instance),
        () => shellCommand('ctr', '-n', namespace, 'leases', 'delete', '--sync', id),
      ),
      level: 'warning' as const,
    })),
  ];
}

/** A task itself carries no label. */
function isInOurCgroup(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`:${CGROUP_ROOT}/`);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return false;
    throw error;
  }
}

/** Unless a container has come by now. */
async function endStray(client: Client, id: string, signal: AbortSignal): Promise<void> {
  const containers = await Array.fromAsync(client.containers.list({}));
  if (!containers.some(one => one.id === id)) await endTask(client, id, signal);
}

/** ctr knows tasks by their containers alone. */
function explainStray(namespace: string, id: string): string {
  const ctr = (...words: string[]) => shellCommand('ctr', '-n', namespace, ...words, id);
  const create = ctr('containers', 'create', '--rootfs', '/');
  return [create, ctr('tasks', 'rm', '--force'), ctr('containers', 'rm')].join('\n');
}

function orphan(
  sort: string,
  what: string,
  remove: (signal: AbortSignal) => Promise<void>,
  byHand: () => string,
): Finding {
  return { level: 'error', code: `Orphan${sort}`, what, fix: ({ signal }) => remove(signal), byHand };
}
