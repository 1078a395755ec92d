/**
 * The socket of a group's shim. containerd 2's shim removes it under the name of the container that it was started for, and so leaves
 * the group's behind (seen with 2.1.9, not with 1.6 and 1.7; `ctr run --annotation io.containerd.runc.v2.group=g` shows it).
 */
import { existsSync, rmSync } from 'node:fs';
import { posix } from 'node:path';
import type { Client } from '../client/index.ts';
import { GROUP } from '../labels.ts';

const EXIT_LIMIT_MS = 2000;

/** As containerd names it: a hash of its own socket's path, the namespace and the group (its pkg/shim, SocketAddress). */
export function shimSocket(containerdSocket: string, namespace: string, group: string): string {
  const place = posix.join(containerdSocket, namespace, group);
  return `/run/containerd/s/${new Bun.CryptoHasher('sha256').update(place).digest('hex')}`;
}

/** Once the last container of the group is gone and its shim has ended; one that still serves keeps its socket. */
export async function removeShimSocket(
  client: Client,
  containerdSocket: string,
  namespace: string,
  group: string,
): Promise<void> {
  const left = await client.containers.list({ filters: [`labels."${GROUP}"==${JSON.stringify(group)}`] });
  const path = shimSocket(containerdSocket, namespace, group);
  if (left.length > 0 || !existsSync(path)) return;
  if (await hasEnded(path)) rmSync(path, { force: true });
}

/** Nobody accepts, or who does goes away: the connection ends with the shim. */
async function hasEnded(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const limit = setTimeout(() => resolve(false), EXIT_LIMIT_MS);
  try {
    const socket = await Bun.connect({
      unix: path,
      socket: { data() {}, close: () => resolve(true), error: () => resolve(true), connectError: () => resolve(true) },
    });
    const ended = await promise;
    socket.end();
    return ended;
  } catch {
    return true;
  } finally {
    clearTimeout(limit);
  }
}
