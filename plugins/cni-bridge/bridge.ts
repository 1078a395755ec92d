/** The bridge of a space. Its alias says whose it is, which `ip link` shows; one that is somebody else's is never touched. */
import { KukeError, type NetworkDefinition } from 'kuke/plugin';
import type { NetworkConfig } from '../../src/cni/config.ts';
import { hasCode } from '../../src/host/errno.ts';
import { listAddresses } from '../../src/host/netlink/address.ts';
import { createBridge, deleteLink, getLink, type Link, listLinks, setLink } from '../../src/host/netlink/link.ts';
import { isLeaving } from '../../src/host/netlink/link-removal.ts';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { readSysctl, writeSysctl } from '../../src/host/sysctl.ts';
import { groupOf } from './frames.ts';
import { type Isolated, memberOf } from './isolation.ts';
import { isLegalBridge } from './names.ts';
import { bridgeOf } from './space-network.ts';

export function bridgeMark(instance: string, network: string): string {
  return `kukeon ${instance} ${network}`;
}

/** Throws for a name that the kernel, or a rule, would not take: it was not kuke that chose it. */
export function requireLegalName({ name, bridge }: Pick<NetworkDefinition, 'name' | 'bridge'>): void {
  if (isLegalBridge(bridge)) return;
  const why =
    Buffer.byteLength(bridge) > 15
      ? `has ${bridge.length} characters, and the kernel takes 15 at most: numerical result out of range (ERANGE)`
      : 'can stand in no rule of a firewall: letters, digits, "-", "_" and "." are allowed';
  throw new KukeError('NetworkFailed', `the name of bridge ${JSON.stringify(bridge)} of network ${name} ${why}`, {
    remedy: REGENERATE,
  });
}

export const REGENERATE =
  'run `sudo kuke init --force-regenerate-cni`, which writes the conflist anew and gives the bridge a legal name';

/**
 * Throws Conflict if a link of that name is not the space's. `isRecorded`: our conflist names the bridge, so that one without a mark is
 * ours as well if it has the gateway's address (another runtime has used the conflist) or the MAC that kuke makes it with (kuke was killed here).
 */
export function requireOwnBridge(instance: string, network: NetworkDefinition, isRecorded: boolean): Link | undefined {
  using socket = new NetlinkSocket('route');
  return ownBridge(socket, instance, network, isRecorded);
}

function ownBridge(
  socket: NetlinkSocket,
  instance: string,
  { name, bridge, gateway }: NetworkDefinition,
  isRecorded: boolean,
): Link | undefined {
  const link = getLink(socket, bridge);
  if (link === undefined || link.alias === bridgeMark(instance, name)) return link;
  if (isRecorded && link.kind === 'bridge' && link.alias === undefined) {
    const addresses = listAddresses(socket, { link: link.index }).filter(({ scope }) => scope !== 'link');
    if (addresses.some(({ address }) => address.startsWith(`${gateway}/`))) return link;
    if (addresses.length === 0 && link.mac === macFor(bridgeMark(instance, name))) return link;
  }
  const what = link.kind === 'bridge' ? 'a bridge' : `a link of kind ${link.kind ?? 'unknown'}`;
  throw new KukeError('Conflict', `there is ${what} ${bridge} that is not this space's`, {
    remedy: `rename or remove it: \`ip link show ${bridge}\``,
  });
}

/** Sees to it that the bridge is there, marked and set up, before a plugin would make it without. */
export function ensureBridge(instance: string, network: NetworkDefinition): void {
  using socket = new NetlinkSocket('route');
  const { name, bridge } = network;
  const alias = bridgeMark(instance, name);
  // The kernel takes a MAC that it chose itself away with the last port, and the reference plugin then fails on the next ADD.
  const mac = macFor(alias);
  const link = ownBridge(socket, instance, network, true);
  if (link === undefined) createBridge(socket, { name: bridge, mac });
  else if (link.mac === undefined || /^[0:]+$/.test(link.mac)) setLink(socket, link.index, { mac });
  const group = groupOf(bridge);
  if (link?.alias === undefined || link.group !== group) setLink(socket, bridge, { alias, group });
  for (const [name, value] of settingsOf(bridge)) set(name, value);
}

/** What the kernel would tell cells of other spaces, or believe of what cells tell it, by itself. */
export function settingsOf(bridge: string): [name: string, value: string][] {
  return [
    // The host answers ARP on a bridge for any address that it has, another space's gateway too; and asks under any.
    [`net/ipv4/conf/${bridge}/arp_ignore`, '1'],
    [`net/ipv4/conf/${bridge}/arp_announce`, '2'],
    [`net/ipv4/conf/${bridge}/proxy_arp`, '0'],
    // A cell could make itself the host's router (CVE-2020-10749).
    [`net/ipv6/conf/${bridge}/accept_ra`, '0'],
  ];
}

function set(name: string, value: string): void {
  try {
    if (readSysctl(name) !== value) writeSysctl(name, value);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error; // a kernel without IPv6
  }
}

/** A locally administered one, always the same for a network of an installation. */
function macFor(mark: string): string {
  const digest = new Bun.CryptoHasher('sha256').update(mark).digest('hex');
  return `02:${digest.slice(0, 10).replace(/..(?!$)/g, '$&:')}`;
}

/**
 * Reads the links of the host once, for any number of attachments; the answer says of an interface inside a namespace whether its other
 * end is a port of the network's bridge: the one with the network's mark, or of the name that the ADD was given.
 */
export function readPorts(instance: string): (network: NetworkConfig, inside: Link) => boolean {
  using socket = new NetlinkSocket('route');
  const links = new Map(listLinks(socket).map(link => [link.index, link]));
  return (network, { index, peer }) => {
    const end = links.get(peer ?? 0);
    if (end?.kind !== 'veth' || end.peer !== index) return false;
    const bridge = links.get(end.master ?? 0);
    if (bridge?.kind !== 'bridge') return false;
    return bridge.alias === bridgeMark(instance, network.name) || bridge.name === bridgeOf(network);
  };
}

/** Puts ports of a bridge into its group, by which the rules for frames know them: all of them, or some by name. */
export function groupPorts(bridge: string, names?: readonly string[]): void {
  using socket = new NetlinkSocket('route');
  const group = groupOf(bridge);
  const master = getLink(socket, bridge);
  if (master === undefined) return;
  const ports = names ? names.flatMap(name => getLink(socket, name) ?? []) : listLinks(socket);
  for (const link of [master, ...ports.filter(one => one.master === master.index)]) {
    if (link.group !== group && !isLeaving(link)) ifThere(() => setLink(socket, link.index, { group }));
  }
}

/** The bridges of this host some ports of which are not in the group, so that nothing sees their frames. */
export function readUngrouped(): ReadonlySet<string> {
  using socket = new NetlinkSocket('route');
  const links = listLinks(socket);
  return new Set(
    links
      .filter(({ kind }) => kind === 'bridge')
      .map(({ index, name }) => ({ index, name, group: groupOf(name) }))
      .filter(({ index, group }) => links.some(one => one.master === index && one.group !== group && !isLeaving(one)))
      .map(({ name }) => name),
  );
}

function ifThere(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!hasCode(error, 'ENODEV')) throw error;
  }
}

/** The bridges that carry the mark of a network, or of all of this installation. */
export function markedBridges(instance: string, network?: string): Link[] {
  using socket = new NetlinkSocket('route');
  const mark = bridgeMark(instance, network ?? '');
  const isOurs = (alias = '') => (network === undefined ? alias.startsWith(mark) : alias === mark);
  return listLinks(socket).filter(({ kind, alias }) => kind === 'bridge' && isOurs(alias));
}

/** The same with the ranges that their addresses are of. */
export function markedMembers(instance: string): Isolated[] {
  using socket = new NetlinkSocket('route');
  return markedBridges(instance).map(({ name: bridge, index, alias = '' }) => {
    const addresses = listAddresses(socket, { link: index }).filter(({ scope }) => scope !== 'link');
    const name = alias.slice(bridgeMark(instance, '').length);
    return memberOf({ name, bridge, ranges: addresses.map(({ address }) => address), gateways: [] });
  });
}

/** Removes links; one that is gone already is as it should be. */
export function removeLinks(indexes: readonly number[]): void {
  using socket = new NetlinkSocket('route');
  for (const index of indexes) {
    ifThere(() => deleteLink(socket, index));
  }
}
