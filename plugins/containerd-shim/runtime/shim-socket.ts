/**
 * The end of a group's shim, and its socket. containerd 2's shim removes the socket under the name of the container that it was started
 * for, and so leaves the group's behind (seen with 2.1.9, not with 1.6 and 1.7; `ctr run --annotation io.containerd.runc.v2.group=g`
 * shows it). Where the creation of a group's first task was cut off, containerd 1.7 and 2.1 lose sight of the shim, which runs for ever.
 */
import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { basename, posix } from 'node:path';
import { hasCode } from '../../../src/host/errno.ts';
import { openProcess } from '../../../src/host/pidfd.ts';
import type { Client } from '../client/index.ts';
import { GROUP } from '../labels.ts';

const EXIT_LIMIT_MS = 2000;

/** As containerd names it: a hash of its own socket's path, the namespace and the group (its pkg/shim, SocketAddress). */
export function shimSocket(containerdSocket: string, namespace: string, group: string): string {
  const place = posix.join(containerdSocket, namespace, group);
  return `/run/containerd/s/${new Bun.CryptoHasher('sha256').update(place).digest('hex')}`;
}

/** Once the last container of the group is gone, whose shim ends then; one that does not is ended. */
export async function removeShimSocket(
  client: Client,
  containerdSocket: string,
  namespace: string,
  group: string,
): Promise<void> {
  const filters = [`labels."${GROUP}"==${JSON.stringify(group)}`];
  const left = await Array.fromAsync(client.containers.list({ filters }));
  if (left.length > 0) return;
  const path = shimSocket(containerdSocket, namespace, group);
  await endListener(path);
  rmSync(path, { force: true });
}

async function endListener(path: string): Promise<void> {
  const pid = listener(path);
  using shim = pid === undefined ? undefined : openProcess(pid);
  // Looked at once more, now that the descriptor holds on to the process: the pid may have been given to another one.
  if (shim === undefined || listener(path) !== pid) return;
  const limit = AbortSignal.timeout(EXIT_LIMIT_MS);
  await shim.exited(limit).catch(() => shim.signal('SIGKILL'));
  await shim.exited(AbortSignal.timeout(EXIT_LIMIT_MS));
}

/** The shim that listens at a path, also if that was unlinked, by the sockets that it holds: SO_PEERCRED names who has started it. */
function listener(path: string): number | undefined {
  const sockets = readFileSync('/proc/net/unix', 'latin1').split('\n'); // proc_net(5); the name is the last field
  const inode = sockets.find(line => line.endsWith(` ${path}`))?.split(/\s+/)[6];
  if (inode === undefined) return undefined;
  const pid = readdirSync('/proc').find(name => /^\d+$/.test(name) && isShim(name) && holds(name, `socket:[${inode}]`));
  return pid === undefined ? undefined : Number(pid);
}

function isShim(pid: string): boolean {
  const [program = ''] = unlessGone(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')) ?? [];
  return basename(program).startsWith('containerd-shim-');
}

function holds(pid: string, file: string): boolean {
  const folder = `/proc/${pid}/fd`;
  const open = unlessGone(() => readdirSync(folder)) ?? [];
  return open.some(fd => unlessGone(() => readlinkSync(`${folder}/${fd}`)) === file);
}

/** Undefined: the process has ended, or the descriptor was closed. */
function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}
