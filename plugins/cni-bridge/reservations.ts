/** host-local's reservations (spec.md §2), for what its DEL did not come to. */
import { join } from 'node:path';
import { NAME } from '../../src/cni/attachment.ts';
import { inExisting, removeFolder } from '../../src/cni/plugins/host-local/locked.ts';
import type { Endpoint } from '../../src/cni/plugins/plugin.ts';
import { PluginError } from '../../src/cni/plugins/plugin-error.ts';
import { silent } from '../../src/cni/plugins/trace.ts';
import { SystemError } from '../../src/host/errno.ts';

const quietly = { trace: silent, signal: undefined };

/** Frees the addresses of an attachment. */
export async function releaseReservations(ipam: string, network: string, endpoint: Endpoint): Promise<void> {
  const folder = folderOf(ipam, network);
  await plainly(inExisting(folder, quietly, reservations => reservations.release(reservations.heldBy(endpoint))));
}

/** Removes the folder of a network with all that is in it. */
export async function removeReservations(ipam: string, network: string): Promise<void> {
  await plainly(removeFolder(folderOf(ipam, network), quietly));
}

function folderOf(ipam: string, network: string): string {
  if (!NAME.test(network)) throw new RangeError(`${JSON.stringify(network)} is no network name`); // nor a path that leads out
  return join(ipam, network);
}

/** With the kernel's error instead of the one that a plugin would answer. */
async function plainly(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw error instanceof PluginError && error.cause instanceof SystemError ? error.cause : error;
  }
}
