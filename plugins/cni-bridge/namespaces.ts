/** Network namespaces of cells, where `ip netns` sees them: /run/netns/kuke-<hash> (spec.md §2). */
import { readdirSync } from 'node:fs';
import { instanceTag, KukeError } from 'kuke/plugin';
import { hasCode } from '../../src/host/errno.ts';
import { setLink } from '../../src/host/netlink/link.ts';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { createNetns, deleteNetns, isNetns, within } from '../../src/host/netns.ts';
import { writeSysctl } from '../../src/host/sysctl.ts';

const FOLDER = '/run/netns';
const OURS = /^\/run\/netns\/kuke-[A-Za-z0-9-]+$/;

/** A cell that is in two spaces keeps them apart, and a new namespace inherits what the host does. */
export const SETTINGS: Readonly<Record<string, number>> = {
  // It does not route between them,
  'net.ipv4.ip_forward': 0,
  'net.ipv6.conf.all.forwarding': 0,
  // takes nothing in the one from an address of the other,
  'net.ipv4.conf.all.rp_filter': 1,
  'net.ipv4.conf.default.rp_filter': 1,
  // and answers ARP, and asks, in each under its address there.
  'net.ipv4.conf.all.arp_ignore': 1,
  'net.ipv4.conf.all.arp_announce': 2,
};

/** One that is there already is only set up again. */
export function openNamespace(path: string): void {
  requireOurs(path);
  const { created } = inTheWay(path, () => createNetns(path));
  try {
    within(path, setUp);
  } catch (error) {
    if (created) deleteNetns(path);
    throw error;
  }
}

/** Absent: nothing to do. What is mounted at a path that is not ours stays. */
export function closeNamespace(path: string): void {
  requireOurs(path);
  inTheWay(path, () => deleteNetns(path));
}

/** Their names begin with the installation's tag, for a namespace can carry no other mark. */
export function isNamespaceOf(instance: string, path: string): boolean {
  return path.startsWith(`${FOLDER}/kuke-${instanceTag(instance)}`);
}

/** The paths that are there, of every installation on the host. */
export function listNamespaces(): string[] {
  return readNames()
    .map(name => `${FOLDER}/${name}`)
    .filter(path => OURS.test(path) && isNetns(path))
    .sort();
}

function setUp(): void {
  for (const [name, value] of Object.entries(SETTINGS)) {
    try {
      writeSysctl(name, value);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error; // a kernel without IPv6
    }
  }
  using socket = new NetlinkSocket('route');
  setLink(socket, 'lo', { up: true });
}

function readNames(): string[] {
  try {
    return readdirSync(FOLDER);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function requireOurs(path: string): void {
  if (OURS.test(path)) return;
  throw new KukeError('Conflict', `${path} is not a network namespace of kuke's: those are ${FOLDER}/kuke-...`);
}

function inTheWay<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
    const message = `${path} is there and is no network namespace`;
    throw new KukeError('Conflict', message, { cause: error, remedy: 'move that file away' });
  }
}
