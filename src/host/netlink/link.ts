/** Network interfaces over rtnetlink(7): list, create, change, delete. */
import { closeSync, openSync } from 'node:fs';
import { checkInterfaceName } from '../interface-name.ts';
import { asSystemError } from '../libc.ts';
import {
  LINK_LOCAL,
  type LinkChange,
  type LinkMessage,
  linkChangeMessage,
  linkMessage,
  NO_LINK_LOCAL,
} from './link-message.ts';
import { type Answer, Flag } from './message.ts';
import { type NetlinkSocket, requestError } from './socket.ts';

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;

const ENODEV = 19;

const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFF_RUNNING = 0x40;
const IFF_PROMISC = 0x100;
const IFF_LOWER_UP = 0x10000;

/** RTEXT_FILTER_SKIP_STATS: half of each message, and what costs the kernel most. */
const SKIP_STATISTICS = 8;

/** An interface, by name, by index, or as it was read. */
export type LinkRef = string | number | Pick<Link, 'index' | 'name'>;

export interface Link {
  index: number;
  name: string;
  /** `bridge`, `veth`, ...; absent for physical interfaces and `lo`. */
  kind?: string;
  up: boolean;
  /** Whether there is a carrier: for a veth, that its peer is up too. */
  lowerUp: boolean;
  /** Whether it is operational (RFC 2863): of a bridge's port, whether frames pass. */
  running: boolean;
  /** Takes frames for any address, because somebody has set it so; not because of a capture. */
  promiscuous: boolean;
  loopback: boolean;
  mtu: number;
  /** The MAC, `02:42:ac:11:00:02`; absent where a link has none. */
  mac?: string;
  /** Index of the bridge that it is a port of. */
  master?: number;
  /** Of a bridge's port. */
  port?: BridgePort;
  /** The group that it is in, for `deleteGroup`; absent for 0, in which links are by themselves. */
  group?: number;
  /** Index of the other end of a veth, in the namespace `linkNetnsId`, or in this one. */
  peer?: number;
  /** The peer's network namespace, as an id that is local to this one. */
  linkNetnsId?: number;
  /** A text for people, as `ip link set NAME alias TEXT` gives it. */
  alias?: string;
  altNames: string[];
}

export interface BridgePort {
  /** Frames may go out by the port that they came in by. */
  hairpin: boolean;
  /** Frames pass only from and to ports that are not isolated. */
  isolated: boolean;
}

/** What can be given to a new link and changed on one that exists. */
export interface LinkSettings {
  up?: boolean;
  mtu?: number;
  mac?: string;
  /** The bridge to become a port of; 0 takes it out of its bridge. */
  master?: LinkRef;
  group?: number;
  promiscuous?: boolean;
}

/** What can only be changed on a link that exists. */
export interface LinkChanges extends LinkSettings {
  alias?: string;
  /** Of a link that is a bridge's port. */
  port?: Partial<BridgePort>;
  /** False: no IPv6 link-local address comes by itself. */
  linkLocal?: boolean;
  /** Gratuitous ARP when it goes up and when it is given a MAC from now on: the parameter `arp_notify`. */
  arpNotify?: boolean;
}

/** The path of a network namespace, or an open descriptor of one. */
export type NetnsRef = string | number;

/** `02:42:ac:11:00:02` as bytes; throws a RangeError on anything else. */
export function parseMac(text: string): Uint8Array {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) throw new RangeError(`not a MAC address: ${JSON.stringify(text)}`);
  return Uint8Array.fromHex(text.replaceAll(':', ''));
}

export function formatMac(mac: Uint8Array): string {
  return mac.toHex().replace(/..(?=.)/g, '$&:');
}

/** All interfaces of the socket's network namespace. */
export function listLinks(socket: NetlinkSocket): Link[] {
  const value = { extensions: SKIP_STATISTICS };
  const request = { step: 'list links', type: RTM_GETLINK, codec: linkMessage, value };
  return socket.dump(request, message => toLink(linkMessage.read(message.body)));
}

/** One interface, or undefined if there is none of that name or index. */
export function getLink(socket: NetlinkSocket, ref: LinkRef): Link | undefined {
  const found = askForLink(socket, ref);
  if (!('errno' in found)) return found;
  if (found.errno === ENODEV) return undefined;
  throw requestError(`get link ${linkName(ref)}`, found);
}

/** One interface; a SystemError with ENODEV if there is none. */
export function requireLink(socket: NetlinkSocket, ref: LinkRef): Link {
  const found = askForLink(socket, ref);
  if ('errno' in found) throw requestError(`get link ${linkName(ref)}`, found);
  return found;
}

function askForLink(socket: NetlinkSocket, ref: LinkRef): Link | Answer {
  const step = `get link ${linkName(ref)}`;
  const value = { ...identity(ref), extensions: SKIP_STATISTICS };
  let found: Link | undefined;
  const answer = socket.ask({ step, type: RTM_GETLINK, codec: linkMessage, value }, message => {
    found = toLink(linkMessage.read(message.body));
  });
  if (answer.errno !== 0) return answer;
  if (!found) throw new Error(`${step}: empty answer`);
  return found;
}

/** The index of an interface. */
export function linkIndex(socket: NetlinkSocket, ref: LinkRef): number {
  if (typeof ref === 'number') return ref;
  return typeof ref === 'object' ? ref.index : requireLink(socket, ref).index;
}

/** How an interface is called in an error. */
export function linkName(ref: LinkRef): string {
  return typeof ref === 'object' ? ref.name : String(ref);
}

function identity(ref: LinkRef): { name: string } | { index: number } {
  if (typeof ref !== 'string') return { index: typeof ref === 'object' ? ref.index : ref };
  checkInterfaceName(ref);
  return { name: ref };
}

export interface BridgeSettings extends LinkSettings {
  name: string;
  stp?: boolean;
  vlanFiltering?: boolean;
  multicastSnooping?: boolean;
}

/** Creates a bridge; EEXIST if the name is taken. */
export function createBridge(socket: NetlinkSocket, bridge: BridgeSettings): void {
  checkInterfaceName(bridge.name);
  const data = {
    stp: toNumber(bridge.stp),
    vlanFiltering: toNumber(bridge.vlanFiltering),
    multicastSnooping: toNumber(bridge.multicastSnooping),
  };
  const value = { name: bridge.name, ...toValue(socket, bridge), info: { own: { kind: 'bridge', data } } } as const;
  create(socket, `create bridge ${bridge.name}`, value);
}

export interface VethSettings extends LinkChanges {
  name: string;
  /** The other end, created in `netns` (in the socket's own without). The kernel cannot set it up yet (ENOTCONN). */
  peer: { name: string; netns?: NetnsRef; mtu?: number; mac?: string };
}

/**
 * Creates both ends of a veth pair: enslaved, and the peer in its namespace from the start. What the kernel takes only of a link that
 * exists (the alias, the port's settings) comes in the same send, so that whoever is killed here leaves no pair without it.
 */
export function createVeth(socket: NetlinkSocket, veth: VethSettings): void {
  const { netns, ...peer } = veth.peer;
  checkInterfaceName(veth.name);
  checkInterfaceName(peer.name);
  withNetns(netns, netnsFd => {
    const { name } = veth;
    const end = { name: peer.name, ...toValue(socket, peer), netnsFd };
    const info = { own: { kind: 'veth', data: { peer: end } } } as const;
    const { flags, change, ...first } = toValue(socket, veth);
    const then = { name, flags, change, ...toChange(veth) };
    const newLink = { type: RTM_NEWLINK, codec: linkChangeMessage };
    socket.requestAll([
      { ...newLink, step: `create veth ${name}`, flags: Flag.CREATE | Flag.EXCLUSIVE, value: { name, ...first, info } },
      { ...newLink, step: `set link ${name}`, value: then },
    ]);
  });
}

/** Changes what is given, in one message. To rename an interface that is up, kernels before 6.2 answer EBUSY: set it down first. */
export function setLink(
  socket: NetlinkSocket,
  ref: LinkRef,
  change: LinkChanges & { name?: string; netns?: NetnsRef },
): void {
  if (change.name !== undefined) checkInterfaceName(change.name);
  withNetns(change.netns, netnsFd => socket.request(changing(socket, ref, change, netnsFd)));
}

/** The same, for which a thread waits. */
export async function setLinkAside(socket: NetlinkSocket, ref: LinkRef, change: LinkChanges): Promise<void> {
  await socket.requestAside(changing(socket, ref, change));
}

function changing(socket: NetlinkSocket, ref: LinkRef, change: LinkChanges & { name?: string }, netnsFd?: number) {
  const index = linkIndex(socket, ref);
  const value = { index, name: change.name, ...toValue(socket, change), ...toChange(change), netnsFd };
  return { step: `set link ${linkName(ref)}`, type: RTM_NEWLINK, codec: linkChangeMessage, value };
}

/** Deletes an interface; of a veth, both ends. ENODEV if it is gone already. Deleting a veth takes the kernel 20 ms. */
export function deleteLink(socket: NetlinkSocket, ref: LinkRef): void {
  socket.request(deletion(ref));
}

/** The same, for which a thread waits. */
export async function deleteLinkAside(socket: NetlinkSocket, ref: LinkRef): Promise<void> {
  await socket.requestAside(deletion(ref));
}

function deletion(ref: LinkRef) {
  return { step: `delete link ${linkName(ref)}`, type: RTM_DELLINK, codec: linkMessage, value: identity(ref) };
}

/**
 * Deletes all interfaces of a group at one moment; ENODEV if there is none. Whoever gives a link a group of its own can so delete it
 * exactly if nobody has taken it out of the group meanwhile.
 */
export function deleteGroup(socket: NetlinkSocket, group: number): void {
  socket.request(groupDeletion(group));
}

/** The same, for which a thread waits. */
export async function deleteGroupAside(socket: NetlinkSocket, group: number): Promise<void> {
  await socket.requestAside(groupDeletion(group));
}

function groupDeletion(group: number) {
  return { step: `delete group ${group}`, type: RTM_DELLINK, codec: linkMessage, value: { group } };
}

function create(socket: NetlinkSocket, step: string, value: LinkChange): void {
  const flags = Flag.CREATE | Flag.EXCLUSIVE;
  socket.request({ step, type: RTM_NEWLINK, flags, codec: linkChangeMessage, value });
}

function toNumber(value: boolean | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

function toValue(socket: NetlinkSocket, settings: LinkSettings) {
  const { up, promiscuous, mtu, mac, master, group } = settings;
  const bit = (flag: number, value: boolean | undefined) => (value ? flag : 0);
  return {
    flags: bit(IFF_UP, up) | bit(IFF_PROMISC, promiscuous),
    change: bit(IFF_UP, up !== undefined) | bit(IFF_PROMISC, promiscuous !== undefined),
    mtu,
    group,
    address: mac === undefined ? undefined : parseMac(mac),
    master: master === undefined ? undefined : linkIndex(socket, master),
  };
}

function toChange({ alias, port, linkLocal, arpNotify }: LinkChanges) {
  const data = port && { hairpin: toNumber(port.hairpin), isolated: toNumber(port.isolated) };
  const inet = arpNotify !== undefined && { inet: { parameters: { arpNotify: Number(arpNotify) } } };
  const inet6 = linkLocal !== undefined && { inet6: { addressGeneration: linkLocal ? LINK_LOCAL : NO_LINK_LOCAL } };
  return {
    alias,
    ...(data && { info: { port: { kind: 'bridge', data } } as const }),
    ...((inet || inet6) && { addressFamilies: { ...inet, ...inet6 } }),
  };
}

function withNetns(netns: NetnsRef | undefined, use: (fd: number | undefined) => void): void {
  if (typeof netns !== 'string') {
    use(netns);
    return;
  }
  const fd = openNetns(netns);
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}

function openNetns(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw asSystemError(error, path);
  }
}

function toLink(message: LinkMessage): Link {
  const { flags = 0, info, address } = message;
  const own = info?.own;
  const kind = own?.kind === 'other' ? own.name : own?.kind;
  const port = info?.port?.kind === 'bridge' ? info.port.data : undefined;
  return {
    index: message.index ?? 0,
    name: message.name ?? '',
    ...(kind === undefined ? {} : { kind }),
    up: (flags & IFF_UP) !== 0,
    lowerUp: (flags & IFF_LOWER_UP) !== 0,
    running: (flags & IFF_RUNNING) !== 0,
    promiscuous: (flags & IFF_PROMISC) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    mtu: message.mtu ?? 0,
    ...(address?.length === 6 ? { mac: formatMac(address) } : {}),
    ...(message.master === undefined ? {} : { master: message.master }),
    ...(port === undefined ? {} : { port: { hairpin: port.hairpin === 1, isolated: port.isolated === 1 } }),
    ...(message.group ? { group: message.group } : {}),
    ...(message.link === undefined ? {} : { peer: message.link }),
    ...(message.linkNetnsId === undefined ? {} : { linkNetnsId: message.linkNetnsId }),
    ...(message.alias === undefined ? {} : { alias: message.alias }),
    altNames: message.altNames ?? [],
  };
}
