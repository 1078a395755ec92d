/** containerd namespaces: each of ours belongs to one realm; one that holds other people's objects is never deleted. */
import { rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { KukeError, type NamespaceParams } from 'kuke/plugin';
import { hasCode } from '../../../src/host/errno.ts';
import { asSystemError } from '../../../src/host/libc.ts';
import { type Client, isGrpcError } from '../client/index.ts';
import { type Containerd, inNamespace } from '../containerd.ts';
import { ifFound } from '../errors.ts';
import { withLease } from '../images/lease.ts';
import { GC_ROOT, INSTANCE, isOurs } from '../labels.ts';
import { ociRoot } from './stray.ts';

/** One of ours is left as it is. Throws Conflict for one that is not ours. */
export async function createNamespace(
  { client, instance: readInstance }: Containerd,
  { namespace }: NamespaceParams,
): Promise<void> {
  const instance = await readInstance();
  try {
    await client.namespaces.create({ namespace: { name: namespace, labels: { [INSTANCE]: instance } } });
  } catch (error) {
    if (!isGrpcError(error, 'ALREADY_EXISTS')) throw error;
    if (!isOurs(await client.namespaces.get({ name: namespace }), instance)) throw notOurs(namespace);
  }
}

/**
 * Takes our images, leases and snapshots along; what only they held is collected before this returns. Throws Conflict, and has
 * removed nothing, while there is anything that is not ours, or a container at all.
 */
export async function removeNamespace(containerd: Containerd, { namespace }: NamespaceParams): Promise<void> {
  const { snapshotter } = containerd;
  const instance = await containerd.instance();
  // Not `get`, which answers for a namespace that is not there as well.
  const found = (await containerd.client.namespaces.list({})).find(({ name }) => name === namespace);
  if (found === undefined) return;
  if (!isOurs(found, instance)) throw notOurs(namespace);

  const client = inNamespace(containerd, namespace);
  const held = await contents(client, snapshotter);
  const inTheWay = held.filter(object => object.kind === 'container' || !isOurs(object, instance));
  if (inTheWay.length > 0) {
    const list = inTheWay.map(({ kind, name }) => `${kind} ${name}`).join(', ');
    throw new KukeError('Conflict', `containerd namespace ${namespace} still holds ${list}`, {
      remedy: `remove what is no longer needed with \`ctr -n ${namespace}\``,
    });
  }
  const names = (kind: Held['kind']) => held.filter(object => object.kind === kind).map(({ name }) => name);
  await Promise.all([
    ...names('image').map(name => ifFound(client.images.delete({ name }))),
    ...names('lease').map(id => ifFound(client.leases.delete({ id }))),
    ...names('snapshot').map(key => ifFound(client.snapshots.remove({ snapshotter, key }))),
  ]);
  // The release of a lease waits for the garbage collector, which cannot be called by itself.
  await withLease(client, instance, async () => {});
  await ifFound(containerd.client.namespaces.delete({ name: namespace }));
  removeOciRoot(namespace);
}

/** What OCI runtimes keep for the namespace beside its containers: crun its compiled seccomp filters (since 1.9), and both an empty folder. */
function removeOciRoot(namespace: string): void {
  const folder = ociRoot(namespace);
  try {
    rmSync(join(folder, '.cache'), { recursive: true, force: true });
    rmdirSync(folder);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTEMPTY')) throw asSystemError(error, folder);
  }
}

interface Held {
  kind: 'container' | 'image' | 'lease' | 'snapshot' | 'content';
  name: string;
  labels: Readonly<Record<string, string>>;
}

/** What does not go by itself: everything that the garbage collector starts from. */
async function contents(client: Client, snapshotter: string): Promise<Held[]> {
  const roots = [`labels."${GC_ROOT}"`];
  const [containers, images, leases, snapshots, blobs] = await Promise.all([
    Array.fromAsync(client.containers.list({})),
    client.images.list({}),
    client.leases.list({}),
    Array.fromAsync(client.snapshots.list({ snapshotter, filters: roots })),
    Array.fromAsync(client.content.list({ filters: roots })),
  ]);
  return [
    ...containers.map(({ id, labels }) => ({ kind: 'container' as const, name: id, labels })),
    ...images.map(({ name, labels }) => ({ kind: 'image' as const, name, labels })),
    ...leases.map(({ id, labels }) => ({ kind: 'lease' as const, name: id, labels })),
    ...snapshots.map(({ name, labels }) => ({ kind: 'snapshot' as const, name, labels })),
    ...blobs.map(({ digest, labels }) => ({ kind: 'content' as const, name: digest, labels })),
  ];
}

function notOurs(namespace: string): KukeError {
  return new KukeError('Conflict', `containerd namespace ${namespace} exists and is not this kuke's`, {
    remedy: `give the realm another \`namespace\`, or, if nobody needs it: \`ctr namespaces rm ${namespace}\``,
  });
}
