/** The bridge itself: made where it is missing, and given the gateways' addresses. */
import { hasCode } from '../../../host/errno.ts';
import { addAddress, deleteAddress, listAddresses } from '../../../host/netlink/address.ts';
import { AF_INET, AF_INET6, parsePrefix, prefixMask } from '../../../host/netlink/inet.ts';
import {
  createBridge,
  deleteGroup,
  formatMac,
  getLink,
  type Link,
  requireLink,
  setLink,
} from '../../../host/netlink/link.ts';
import type { NetlinkSocket } from '../../../host/netlink/socket.ts';
import type { PluginCall } from '../plugin.ts';
import { type ErrorName, PluginError } from '../plugin-error.ts';
import { shellWord } from '../shell-word.ts';
import { broadcastOf, isIpv6 } from './addressing.ts';
import type { BridgeConfig } from './config.ts';
import { prefer } from './parameter.ts';

/**
 * A bridge that an ADD has just made is in a group with a number of its own, from here up. Whoever else comes to use it takes it out of
 * that group first, and when the ADD fails, it deletes what is still in the group: the kernel sees to it that both never happen.
 */
const FIRST_GROUP = 0x4000_0000;
const GROUPS = 0x4000_0000;

/** How often it may vanish under our hands: as many ADDs may fail at once on a network that is new. */
const ATTEMPTS = 100;

export interface Bridge {
  link: Link;
  /** The group that it is in as long as nobody else uses it; undefined if it was there before. */
  group?: number;
}

type Call = Pick<PluginCall, 'trace'>;

/** The bridge, up. Throws PluginError if a link of that name is none. */
export function ensureBridge(socket: NetlinkSocket, { trace }: Call, config: BridgeConfig): Bridge {
  const { bridge: name, promiscMode, mtu } = config;
  for (let attempt = 1; ; attempt++) {
    try {
      const link = getLink(socket, name);
      if (link !== undefined) return { link: adopt(socket, trace, config, link) };
      const group = FIRST_GROUP + ((crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) % GROUPS);
      const mac = randomMac();
      const words = `group ${group} address ${mac}${mtu ? ` mtu ${mtu}` : ''}${promiscMode ? ' promisc on' : ''} up`;
      trace(`ip link add name ${shellWord(name)} ${words} type bridge`, () =>
        createBridge(socket, { name, group, mac, up: true, promiscuous: promiscMode, ...(mtu && { mtu }) }),
      );
      ignoreAdvertisements(trace, name);
      return { link: requireLink(socket, name), group };
    } catch (error) {
      // Another ADD has made it meanwhile, or one that failed has taken its own away.
      if (attempt === ATTEMPTS || !hasCode(error, 'EEXIST', 'ENODEV')) throw error;
    }
  }
}

/** One that is there, as it is, but for what this network asks of it. */
function adopt(socket: NetlinkSocket, trace: PluginCall['trace'], config: BridgeConfig, link: Link): Link {
  const { name, kind, up, promiscuous, group } = link;
  if (kind !== 'bridge') throw notABridge('InvalidConfig', link);
  // Whoever has made it may have been killed before this, and it must not pass for finished then.
  if (isUnclaimed(group)) ignoreAdvertisements(trace, name);
  const changes = {
    ...(!up && { up: true }),
    ...(config.promiscMode && !promiscuous && { promiscuous: true }),
    ...(isUnclaimed(group) && { group: 0 }),
  };
  if (Object.keys(changes).length === 0) return link;
  const words = { up: 'up', promiscuous: 'promisc on', group: 'group default' };
  const given = Object.keys(changes).map(key => words[key as keyof typeof words]);
  trace(`ip link set dev ${shellWord(name)} ${given.join(' ')}`, () => setLink(socket, link, changes));
  return link;
}

/** Routes are this host's to decide, not a container's. */
function ignoreAdvertisements(trace: PluginCall['trace'], bridge: string): void {
  prefer(trace, `net/ipv6/conf/${bridge}/accept_ra`, 0);
}

/** What has the bridge's name is something else. */
export function notABridge(code: ErrorName, { name, kind }: Link): PluginError {
  const what = kind === undefined ? 'an interface' : `an interface of kind ${kind}`;
  const remedy = `give the network another bridge, or remove it: ip link del dev ${shellWord(name)}`;
  return new PluginError(code, `bridge: ${JSON.stringify(name)} is no bridge, but ${what}`, remedy);
}

export const isUnclaimed = (group = 0) => group >= FIRST_GROUP && group < FIRST_GROUP + GROUPS;

/** It stays from now on, whatever becomes of this ADD. */
export function keepBridge(socket: NetlinkSocket, { trace }: Call, { link, group }: Bridge): void {
  if (group === undefined) return;
  trace(`ip link set dev ${shellWord(link.name)} group default`, () => setLink(socket, link, { group: 0 }));
}

/** Takes back a bridge that this ADD has made, unless somebody else uses it already. */
export function undoBridge(socket: NetlinkSocket, { trace }: Call, { group }: Bridge): void {
  if (group === undefined) return;
  try {
    trace(`ip link del group ${group}`, () => deleteGroup(socket, group));
  } catch (error) {
    if (!hasCode(error, 'ENODEV')) throw error;
  }
}

/**
 * Sees to it that the bridge has a gateway's address. Of IPv4 it has one only, of IPv6 several whose subnets don't overlap: one that is in
 * the way is replaced with `forceAddress`, else refused. Whether it has to be waited for.
 */
export function ensureAddress(
  socket: NetlinkSocket,
  { trace }: Call,
  { link, group }: Bridge,
  address: string,
  { forceAddress, enableDad }: Pick<BridgeConfig, 'forceAddress' | 'enableDad'>,
): boolean {
  const family = isIpv6(address) ? AF_INET6 : AF_INET;
  const present = listAddresses(socket, { link, family });
  const same = present.find(one => one.address === address);
  if (same !== undefined) return same.tentative;
  const dev = `dev ${shellWord(link.name)}`;
  for (const other of present.map(one => one.address).filter(one => excludes(one, address))) {
    if (!forceAddress) throw taken(link.name, other, address);
    trace(`ip addr del ${other} ${dev}`, () =>
      tolerate('EADDRNOTAVAIL', () => deleteAddress(socket, { link, address: other })),
    );
  }
  const broadcast = broadcastOf(address);
  const isQuick = isIpv6(address) && !enableDad;
  const noDad = isQuick && !prefer(trace, `net/ipv6/conf/${link.name}/accept_dad`, 0);
  const words = `${broadcast ? ` brd ${broadcast}` : ''} ${dev}${noDad ? ' nodad' : ''}`;
  const added = { link, address, noDad, ...(broadcast && { broadcast }) };
  trace(`ip addr add ${address}${words}`, () => tolerate('EEXIST', () => addAddress(socket, added)));
  // A bridge that was given no MAC has its lowest port's, and hosts would lose their gateway when that changes.
  const { mac } = link;
  if (group === undefined && mac !== undefined) {
    trace(`ip link set dev ${shellWord(link.name)} address ${mac}`, () => setLink(socket, link, { mac }));
  }
  return isIpv6(address) && !noDad;
}

function excludes(one: string, other: string): boolean {
  return !isIpv6(one) || contains(one, other) || contains(other, one);
}

/** Whether the subnet of one has the other's address in it. */
function contains(subnet: string, other: string): boolean {
  const { address, length } = parsePrefix(subnet);
  const mask = prefixMask(address.length, length);
  const { address: within } = parsePrefix(other);
  return address.every((byte, index) => ((byte ^ (within[index] ?? 0)) & (mask[index] ?? 0)) === 0);
}

function taken(bridge: string, present: string, wanted: string): PluginError {
  return new PluginError(
    'Internal',
    `bridge ${bridge} has the address ${present} already, and the network's gateway is ${wanted}`,
    `give the network another bridge, or let it replace the address: "forceAddress": true`,
  );
}

function tolerate(code: string, effect: () => void): void {
  try {
    effect();
  } catch (error) {
    if (!hasCode(error, code)) throw error;
  }
}

/** Locally administered, of one interface. */
function randomMac(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 2;
  return formatMac(bytes);
}
