/** From what IPAM gives to what an attachment gets: addresses with their gateways, routes, and what the bridge has to have. */
import { formatAddress, formatPrefix, parseAddress, parsePrefix, prefixMask } from '../../../host/netlink/inet.ts';
import type { Ip, Result, Route } from '../../result.ts';
import { PluginError } from '../plugin-error.ts';
import type { BridgeConfig } from './config.ts';

/** The container's place in a result's interfaces: after the bridge and the veth's end on the host. */
export const CONTAINER = 2;

export interface Addressing {
  /** With gateways, where the bridge is one. */
  ips: Ip[];
  routes: Route[];
  /** The bridge's own addresses, `10.88.0.1/16`. */
  gateways: string[];
}

export const isIpv6 = (address: string) => address.includes(':');

const DEFAULT_ROUTES = { v4: '0.0.0.0/0', v6: '::/0' } as const;

/** Throws PluginError if IPAM gave no address. */
export function addressingOf(
  { isGateway, isDefaultGateway }: Pick<BridgeConfig, 'isGateway' | 'isDefaultGateway'>,
  given: Pick<Result, 'ips' | 'routes'>,
): Addressing {
  if (given.ips.length === 0) throw new PluginError('Internal', 'the IPAM plugin has given no address');
  const ips = given.ips.map(ip => {
    const gateway = ip.gateway ?? (isGateway ? firstHost(ip.address) : undefined);
    return { ...ip, interface: CONTAINER, ...(gateway && { gateway }) };
  });
  const wanted = isDefaultGateway ? (['v4', 'v6'] as const) : [];
  const added = wanted.flatMap(family => {
    const first = ips.find(({ address }) => isIpv6(address) === (family === 'v6'));
    const dst = DEFAULT_ROUTES[family];
    if (first?.gateway === undefined || given.routes.some(route => isDefault(route, family))) return [];
    return [{ dst, gw: first.gateway }];
  });
  return { ips, routes: [...given.routes, ...added], gateways: isGateway ? gatewaysOf(ips) : [] };
}

/** The addresses of a bridge that is the gateway of these, as the kernel has them: with the length of their subnets. */
export function gatewaysOf(ips: readonly Ip[]): string[] {
  const all = ips.flatMap(({ gateway, address }) =>
    gateway ? [formatPrefix({ address: parseAddress(gateway), length: parsePrefix(address).length })] : [],
  );
  return [...new Set(all)];
}

/** RT_SCOPE_LINK: what is reached without a gateway has this scope or a narrower one. */
const LINK_SCOPE = 253;

/** The gateway of a route: its own, else the first address' of its family that has one. */
export function gatewayOf({ dst, gw, scope = 0 }: Route, ips: readonly Ip[]): string | undefined {
  if (gw === undefined && scope >= LINK_SCOPE) return undefined;
  return gw ?? ips.find(({ address, gateway }) => gateway && isIpv6(address) === isIpv6(dst))?.gateway;
}

function isDefault({ dst }: Route, family: 'v4' | 'v6'): boolean {
  return isIpv6(dst) === (family === 'v6') && parsePrefix(dst).length === 0;
}

/** The address after the network's own: `10.88.0.1` of `10.88.7.9/16`. */
function firstHost(cidr: string): string {
  const { address, length } = parsePrefix(cidr);
  const mask = prefixMask(address.length, length);
  const first = address.map((byte, index) => byte & (mask[index] ?? 0));
  for (let at = first.length - 1; at >= 0; at--) {
    const byte = ((first[at] ?? 0) + 1) & 255;
    first[at] = byte;
    if (byte !== 0) break;
  }
  return formatAddress(first);
}

/** The broadcast address of an IPv4 subnet that has one. */
export function broadcastOf(cidr: string): string | undefined {
  const { address, length } = parsePrefix(cidr);
  if (address.length !== 4 || length >= 31) return undefined;
  const mask = prefixMask(4, length);
  return formatAddress(address.map((byte, index) => byte | (~(mask[index] ?? 0) & 255)));
}
