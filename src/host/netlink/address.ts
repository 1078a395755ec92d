/** Addresses of interfaces over rtnetlink(7). */
import { attributes, headed, type ValueOf } from './attributes.ts';
import { bytes, string, struct, u8, u32 } from './bytes.ts';
import { AF_INET, familyOf, formatAddress, formatPrefix, parseAddress, parsePrefix } from './inet.ts';
import { type LinkRef, linkIndex, linkName } from './link.ts';
import { Flag } from './message.ts';
import type { NetlinkSocket } from './socket.ts';

const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;

const IFA_F_NODAD = 0x2;
const IFA_F_DADFAILED = 0x8;
const IFA_F_TENTATIVE = 0x40;
const IFA_F_NOPREFIXROUTE = 0x200;

const SCOPES = { global: 0, site: 200, link: 253, host: 254 } as const;

export type Scope = keyof typeof SCOPES;

/** `ifaddrmsg` with its attributes. */
const addressMessage = headed(
  struct({ family: u8, prefixLength: u8, shortFlags: u8, scope: u8, index: u32 }),
  attributes({ address: [1, bytes], local: [2, bytes], label: [3, string], broadcast: [4, bytes], flags: [8, u32] }),
);

export interface Address {
  /** With the length of its subnet: `10.88.0.1/16`. */
  address: string;
  /** Index of the interface. */
  link: number;
  scope: Scope;
  broadcast?: string;
  /** IPv6: duplicate address detection still runs, so it does not answer yet. */
  tentative: boolean;
  /** IPv6: another host has it. */
  duplicate: boolean;
}

/** The addresses of the socket's network namespace, of one link or one family if these are given. */
export function listAddresses(socket: NetlinkSocket, filter: { link?: LinkRef; family?: number } = {}): Address[] {
  const index = filter.link === undefined ? undefined : linkIndex(socket, filter.link);
  const value = { family: filter.family, index };
  const step = 'list addresses';
  const request = { step, type: RTM_GETADDR, codec: addressMessage, value, filtered: index !== undefined };
  const all = socket.dump(request, message => toAddress(addressMessage.read(message.body)));
  return index === undefined ? all : all.filter(address => address.link === index);
}

export interface NewAddress {
  link: LinkRef;
  /** With the length of its subnet: `10.88.0.1/16`. */
  address: string;
  broadcast?: string;
  scope?: Scope;
  /** IPv6: usable at once, without the second or two of duplicate address detection. */
  noDad?: boolean;
  /** Make no route to the subnet. */
  noPrefixRoute?: boolean;
}

/** Adds an address; EEXIST if the interface has it. */
export function addAddress(socket: NetlinkSocket, address: NewAddress): void {
  const flags = (address.noDad ? IFA_F_NODAD : 0) | (address.noPrefixRoute ? IFA_F_NOPREFIXROUTE : 0);
  const value = {
    ...toMessage(socket, address),
    scope: SCOPES[address.scope ?? 'global'],
    broadcast: address.broadcast === undefined ? undefined : parseAddress(address.broadcast),
    flags: flags === 0 ? undefined : flags,
  };
  const step = `add address ${address.address} to ${linkName(address.link)}`;
  socket.request({ step, type: RTM_NEWADDR, flags: Flag.CREATE | Flag.EXCLUSIVE, codec: addressMessage, value });
}

/** Deletes an address; EADDRNOTAVAIL if the interface does not have it. */
export function deleteAddress(socket: NetlinkSocket, address: { link: LinkRef; address: string }): void {
  const step = `delete address ${address.address} from ${linkName(address.link)}`;
  socket.request({ step, type: RTM_DELADDR, codec: addressMessage, value: toMessage(socket, address) });
}

function toMessage(socket: NetlinkSocket, { address, link }: { address: string; link: LinkRef }) {
  const prefix = parsePrefix(address);
  return {
    family: familyOf(prefix.address),
    prefixLength: prefix.length,
    index: linkIndex(socket, link),
    local: prefix.address,
    address: prefix.address,
  };
}

function toAddress(message: ValueOf<typeof addressMessage>): Address {
  const { family, local, broadcast, scope = 0 } = message;
  // On point-to-point links IFA_ADDRESS is the peer's; IPv6 has no IFA_LOCAL elsewhere.
  const address = (family === AF_INET ? local : (local ?? message.address)) ?? new Uint8Array(4);
  const flags = message.flags ?? message.shortFlags ?? 0;
  return {
    address: formatPrefix({ address, length: message.prefixLength ?? 0 }),
    link: message.index ?? 0,
    scope: scopeName(scope),
    ...(broadcast === undefined ? {} : { broadcast: formatAddress(broadcast) }),
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
    duplicate: (flags & IFA_F_DADFAILED) !== 0,
  };
}

/** The scope's name; numbers that only an administrator's rt_scopes names count as global. */
export function scopeName(scope: number): Scope {
  const names: readonly Scope[] = ['global', 'site', 'link', 'host'];
  return names.find(name => SCOPES[name] === scope) ?? 'global';
}

export function scopeNumber(scope: Scope): number {
  return SCOPES[scope];
}
