/** Network interfaces over rtnetlink(7): list, create, change, delete. */
import { closeSync, openSync } from 'node:fs';
import { hasCode } from '../errno.ts';
import { asSystemError } from '../libc.ts';
import { attributes, headed, listOf, type ValueOf, variant } from './attributes.ts';
import { bytes, i32, string, struct, u8, u16, u32 } from './bytes.ts';
import { Flag } from './message.ts';
import type { NetlinkSocket } from './socket.ts';

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;

const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFF_LOWER_UP = 0x10000;

/** RTEXT_FILTER_SKIP_STATS: half of each message, and what costs the kernel most. */
const SKIP_STATISTICS = 8;

/** IFNAMSIZ without the NUL. */
const MAX_NAME = 15;

const ifinfomsg = struct({ family: u8, pad: u8, type: u16, index: i32, flags: u32, change: u32 });

const commonAttributes = {
  address: [1, bytes],
  name: [3, string],
  mtu: [4, u32],
  link: [5, u32],
  master: [10, u32],
  operState: [16, u8],
  alias: [20, string],
  netnsFd: [28, u32],
  extensions: [29, u32],
  linkNetnsId: [37, i32],
  altNames: [52, listOf(53, string)],
} as const;

const vethData = attributes({ peer: [1, headed(ifinfomsg, attributes(commonAttributes))] });
const bridgeData = attributes({
  forwardDelay: [1, u32],
  stp: [5, u32],
  vlanFiltering: [7, u8],
  multicastSnooping: [23, u8],
});

/** `ifinfomsg` with its attributes: the message of RTM_NEWLINK, RTM_DELLINK and RTM_GETLINK. */
const linkMessage = headed(
  ifinfomsg,
  attributes({
    ...commonAttributes,
    info: [18, variant({ name: [1, string], data: 2 }, { veth: vethData, bridge: bridgeData })],
  }),
);

/** An interface, by name or by index. */
export type LinkRef = string | number;

export interface Link {
  index: number;
  name: string;
  /** `bridge`, `veth`, ...; absent for physical interfaces and `lo`. */
  kind?: string;
  up: boolean;
  /** Whether there is a carrier: for a veth, that its peer is up too. */
  lowerUp: boolean;
  loopback: boolean;
  mtu: number;
  /** The MAC, `02:42:ac:11:00:02`; absent where a link has none. */
  mac?: string;
  /** Index of the bridge that it is a port of. */
  master?: number;
  /** Index of the other end of a veth, in the namespace `linkNetnsId`, or in this one. */
  peer?: number;
  /** The peer's network namespace, as an id that is local to this one. */
  linkNetnsId?: number;
  /** A text for people, as `ip link set NAME alias TEXT` gives it. */
  alias?: string;
  altNames: string[];
}

/** What can be given to a new link and changed on one that exists. */
export interface LinkSettings {
  up?: boolean;
  mtu?: number;
  mac?: string;
  /** The bridge to become a port of; 0 takes it out of its bridge. */
  master?: LinkRef;
}

/** The path of a network namespace, or an open descriptor of one. */
export type NetnsRef = string | number;

/** `02:42:ac:11:00:02` as bytes; throws a RangeError on anything else. */
export function parseMac(text: string): Uint8Array {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) throw new RangeError(`not a MAC address: ${JSON.stringify(text)}`);
  return Uint8Array.from(text.split(':'), part => Number.parseInt(part, 16));
}

export function formatMac(mac: Uint8Array): string {
  return Array.from(mac, byte => byte.toString(16).padStart(2, '0')).join(':');
}

/** Throws a RangeError if the kernel would refuse this interface name (dev_valid_name), which it says as ERANGE or EINVAL. */
export function checkLinkName(name: string): void {
  const length = Buffer.byteLength(name);
  if (length > MAX_NAME) {
    throw new RangeError(`interface name ${JSON.stringify(name)} has ${length} characters; ${MAX_NAME} is the most`);
  }
  if (name === '' || name === '.' || name === '..' || /[/:\s\0]/.test(name)) {
    throw new RangeError(`not an interface name: ${JSON.stringify(name)}`);
  }
}

/** All interfaces of the socket's network namespace. */
export function listLinks(socket: NetlinkSocket): Link[] {
  const value = { extensions: SKIP_STATISTICS };
  const request = { step: 'list links', type: RTM_GETLINK, codec: linkMessage, value };
  return socket.dump(request, message => toLink(linkMessage.read(message.body)));
}

/** One interface, or undefined if there is none of that name or index. */
export function getLink(socket: NetlinkSocket, ref: LinkRef): Link | undefined {
  try {
    return requireLink(socket, ref);
  } catch (error) {
    if (hasCode(error, 'ENODEV')) return undefined;
    throw error;
  }
}

/** One interface; a SystemError with ENODEV if there is none. */
export function requireLink(socket: NetlinkSocket, ref: LinkRef): Link {
  if (typeof ref === 'string') checkLinkName(ref);
  const value = { ...(typeof ref === 'string' ? { name: ref } : { index: ref }), extensions: SKIP_STATISTICS };
  let found: Link | undefined;
  socket.request({ step: `get link ${ref}`, type: RTM_GETLINK, codec: linkMessage, value }, message => {
    found = toLink(linkMessage.read(message.body));
  });
  if (!found) throw new Error(`get link ${ref}: empty answer`);
  return found;
}

/** The index of an interface. */
export function linkIndex(socket: NetlinkSocket, ref: LinkRef): number {
  return typeof ref === 'number' ? ref : requireLink(socket, ref).index;
}

export interface BridgeSettings extends LinkSettings {
  name: string;
  stp?: boolean;
  vlanFiltering?: boolean;
  multicastSnooping?: boolean;
}

/** Creates a bridge; EEXIST if the name is taken. */
export function createBridge(socket: NetlinkSocket, bridge: BridgeSettings): void {
  checkLinkName(bridge.name);
  const data = {
    stp: toNumber(bridge.stp),
    vlanFiltering: toNumber(bridge.vlanFiltering),
    multicastSnooping: toNumber(bridge.multicastSnooping),
  };
  const value = { name: bridge.name, ...toValue(socket, bridge), info: { kind: 'bridge', data } as const };
  create(socket, `create bridge ${bridge.name}`, value);
}

export interface VethSettings extends LinkSettings {
  name: string;
  /** The other end, created in `netns` (in the socket's own without). The kernel cannot set it up yet (ENOTCONN). */
  peer: { name: string; netns?: NetnsRef; mtu?: number; mac?: string };
}

/** Creates both ends of a veth pair in one message: enslaved, and the peer in its namespace from the start. */
export function createVeth(socket: NetlinkSocket, veth: VethSettings): void {
  const { netns, ...peer } = veth.peer;
  checkLinkName(veth.name);
  checkLinkName(peer.name);
  withNetns(netns, netnsFd => {
    const end = { name: peer.name, ...toValue(socket, peer), netnsFd };
    const info = { kind: 'veth', data: { peer: end } } as const;
    create(socket, `create veth ${veth.name}`, { name: veth.name, ...toValue(socket, veth), info });
  });
}

/** Changes what is given, in one message. To rename an interface that is up, kernels before 6.2 answer EBUSY: set it down first. */
export function setLink(
  socket: NetlinkSocket,
  ref: LinkRef,
  change: LinkSettings & { name?: string; netns?: NetnsRef; alias?: string },
): void {
  if (change.name !== undefined) checkLinkName(change.name);
  const index = linkIndex(socket, ref);
  withNetns(change.netns, netnsFd => {
    const value = { index, name: change.name, ...toValue(socket, change), netnsFd, alias: change.alias };
    socket.request({ step: `set link ${ref}`, type: RTM_NEWLINK, codec: linkMessage, value });
  });
}

/** Deletes an interface; of a veth, both ends. ENODEV if it is gone already. Deleting a veth takes the kernel 20 ms. */
export function deleteLink(socket: NetlinkSocket, ref: LinkRef): void {
  const value = typeof ref === 'string' ? { name: ref } : { index: ref };
  if (typeof ref === 'string') checkLinkName(ref);
  socket.request({ step: `delete link ${ref}`, type: RTM_DELLINK, codec: linkMessage, value });
}

function create(socket: NetlinkSocket, step: string, value: ValueOf<typeof linkMessage>): void {
  const flags = Flag.CREATE | Flag.EXCLUSIVE;
  socket.request({ step, type: RTM_NEWLINK, flags, codec: linkMessage, value });
}

function toNumber(value: boolean | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

function toValue(socket: NetlinkSocket, settings: LinkSettings) {
  const { up, mtu, mac, master } = settings;
  return {
    ...(up === undefined ? {} : { flags: up ? IFF_UP : 0, change: IFF_UP }),
    mtu,
    address: mac === undefined ? undefined : parseMac(mac),
    master: master === undefined ? undefined : linkIndex(socket, master),
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

function toLink(message: ValueOf<typeof linkMessage>): Link {
  const { flags = 0, info, address } = message;
  const kind = info?.kind === 'other' ? info.name : info?.kind;
  return {
    index: message.index ?? 0,
    name: message.name ?? '',
    ...(kind === undefined ? {} : { kind }),
    up: (flags & IFF_UP) !== 0,
    lowerUp: (flags & IFF_LOWER_UP) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    mtu: message.mtu ?? 0,
    ...(address?.length === 6 ? { mac: formatMac(address) } : {}),
    ...(message.master === undefined ? {} : { master: message.master }),
    ...(message.link === undefined ? {} : { peer: message.link }),
    ...(message.linkNetnsId === undefined ? {} : { linkNetnsId: message.linkNetnsId }),
    ...(message.alias === undefined ? {} : { alias: message.alias }),
    altNames: message.altNames ?? [],
  };
}
