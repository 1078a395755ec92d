/** host-local's reservations on disk: a file for each address, which holds the attachment (spec.md §2). */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { NAME } from '../../src/cni/attachment.ts';
import { hasCode } from '../../src/host/errno.ts';
import { parseAddress } from '../../src/host/netlink/inet.ts';

/** Frees the addresses of an attachment. Returns them. */
export function releaseReservations(ipam: string, network: string, attachmentId: string): string[] {
  const folder = join(ipam, network);
  const held = readNames(folder).filter(name => isAddress(name) && holderOf(join(folder, name)) === attachmentId);
  for (const name of held) rmSync(join(folder, name), { force: true });
  return held;
}

/** Removes the folder of a network with all that is in it. */
export function removeReservations(ipam: string, network: string): void {
  if (!NAME.test(network)) throw new RangeError(`${JSON.stringify(network)} is no network name`); // nor a path that leads out
  rmSync(join(ipam, network), { recursive: true, force: true });
}

/** The first line is the container id; old versions wrote nothing else. */
function holderOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').split(/\r?\n/)[0]?.trim();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function isAddress(name: string): boolean {
  try {
    parseAddress(name);
    return true;
  } catch {
    return false; // `lock`, `last_reserved_ip.0`
  }
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
