/** Leases that keep what a load or an unpacking makes until something else refers to it, and let go of it whatever happens. */
import type { KukeError } from 'kuke/plugin';
import { identify, pidNamespace } from '../../../src/host/pidfd.ts';
import type { Client } from '../client/index.ts';
import { asContainerdError, ifFound } from '../errors.ts';
import { INSTANCE, oursFilter } from '../labels.ts';

/** Which process holds the lease: `pid:[4026531836] 1234 567890`, namespace of the pid, pid, and start time. */
const HOLDER = 'kukeon.io/lease-holder';
/** Those of this process. */
const held = new Set<string>();
/** If this machine dies meanwhile, and no kuke comes by to clean up. */
const lifetimeMs = 24 * 60 * 60 * 1000;

/**
 * Calls `work` with the id of a lease, and a client that puts all it makes under it. When the lease is gone, the garbage collector has run:
 * what nothing else refers to is gone too, uploads that were begun included.
 * What processes that were killed have left is gone before; `takesOver`: the lease holds it instead, for work that goes on where it broke off.
 */
export async function withLease<T>(
  client: Client,
  instance: string,
  work: (leased: Client, lease: string) => Promise<T>,
  { takesOver = false } = {},
): Promise<T> {
  const abandoned = await abandonedLeases(client, instance);
  if (!takesOver) for (const id of abandoned) await release(client, id);
  const lease = `kuke-${crypto.randomUUID()}`;
  const expiry = new Date(Date.now() + lifetimeMs).toISOString();
  const labels = { [INSTANCE]: instance, [HOLDER]: holder(process.pid), 'containerd.io/gc.expire': expiry };
  held.add(lease);
  let failure: KukeError | undefined;
  try {
    await client.leases.create({ id: lease, labels });
    if (takesOver) for (const id of abandoned) await takeOver(client, id, lease);
    return await work(client.with({ lease }), lease);
  } catch (error) {
    failure = asContainerdError(error);
    throw failure;
  } finally {
    held.delete(lease);
    await release(client, lease).catch((error: unknown) => {
      const leftover = asContainerdError(error, { step: `release lease ${lease}` });
      throw failure === undefined ? leftover : failure.with([leftover]);
    });
  }
}

async function release(client: Client, lease: string): Promise<void> {
  await ifFound(client.leases.delete({ id: lease, sync: true }));
}

async function takeOver(client: Client, from: string, to: string): Promise<void> {
  const resources = (await ifFound(client.leases.listResources({ id: from }))) ?? [];
  for (const resource of resources) await client.leases.addResource({ id: to, resource });
  await release(client, from);
}

/** Releases what processes that were killed have left. */
export async function releaseAbandoned(client: Client, instance: string): Promise<void> {
  for (const id of await abandonedLeases(client, instance)) await release(client, id);
}

/** Those of processes that were killed, and those that could not be released because containerd was. */
export async function abandonedLeases(client: Client, instance: string): Promise<string[]> {
  const leases = await client.leases.list({ filters: [oursFilter(instance)] });
  return leases.flatMap(({ id, labels }) =>
    labels[HOLDER] !== undefined && isAbandoned(id, labels[HOLDER]) ? [id] : [],
  );
}

function holder(pid: number): string {
  return `${pidNamespace()} ${pid} ${identify(pid)?.startTime}`;
}

function isAbandoned(lease: string, heldBy: string): boolean {
  const [namespace, pid] = heldBy.split(' ');
  if (namespace !== pidNamespace()) return false; // cannot be told from here
  return heldBy === holder(process.pid) ? !held.has(lease) : heldBy !== holder(Number(pid));
}
