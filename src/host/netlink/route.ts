/** Routes over rtnetlink(7). */
import { type Scope, scopeName, scopeNumber } from './address.ts';
import { attributes, headed, type ValueOf } from './attributes.ts';
import { bytes, struct, u8, u32 } from './bytes.ts';
import { AF_INET6, familyOf, formatAddress, formatPrefix, parseAddress, parsePrefix } from './inet.ts';
import { type LinkRef, linkIndex, linkName } from './link.ts';
import { Flag } from './message.ts';
import type { NetlinkSocket } from './socket.ts';

const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;

const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RTN_UNICAST = 1;

/** `rtmsg` with its attributes. */
const routeMessage = headed(
  struct({
    family: u8,
    prefixLength: u8,
    sourceLength: u8,
    tos: u8,
    shortTable: u8,
    protocol: u8,
    scope: u8,
    type: u8,
    flags: u32,
  }),
  attributes({
    destination: [1, bytes],
    link: [4, u32],
    gateway: [5, bytes],
    metric: [6, u32],
    source: [7, bytes],
    metrics: [8, attributes({ mtu: [2, u32], advertisedMss: [8, u32] })],
    table: [15, u32],
  }),
);

export interface Route {
  /** A prefix, `10.88.0.0/16`; `0.0.0.0/0` and `::/0` for the default routes. */
  destination: string;
  gateway?: string;
  /** Index of the interface; absent for routes that lead nowhere (blackhole) or to several. */
  link?: number;
  /** The address that this host speaks from. */
  source?: string;
  scope: Scope;
  metric?: number;
  /** Of packets on this route. */
  mtu?: number;
  /** The largest TCP segment that others are told of. */
  advertisedMss?: number;
  /** 254 is the main table. */
  table: number;
}

/** The routes of a table (the main one) or of all, of one family if given. */
export function listRoutes(socket: NetlinkSocket, filter: { family?: number; table?: number | 'all' } = {}): Route[] {
  const { family, table = RT_TABLE_MAIN } = filter;
  const request = { step: 'list routes', type: RTM_GETROUTE, codec: routeMessage, value: { family } };
  return socket
    .dump(request, message => toRoute(routeMessage.read(message.body)))
    .filter(route => table === 'all' || route.table === table);
}

export interface NewRoute {
  destination: string;
  gateway?: string;
  link?: LinkRef;
  source?: string;
  /** `link` where nothing else is said and there is no gateway, as ip-route(8) has it. */
  scope?: Scope | number;
  metric?: number;
  mtu?: number;
  advertisedMss?: number;
  table?: number;
  /** The gateway counts as reachable on the link although no route says so. */
  onLink?: boolean;
  /** There may be others to that destination with that metric: it comes after them (IPv4), or beside them (IPv6, multipath). */
  append?: boolean;
}

const RTNH_F_ONLINK = 4;

/** Adds a route; EEXIST if there is one to that destination with that metric, or with `append` that very one. */
export function addRoute(socket: NetlinkSocket, route: NewRoute): void {
  const { gateway, source, scope, mtu, advertisedMss } = route;
  const usual = gateway === undefined && !route.destination.includes(':') ? 'link' : 'global';
  const value = {
    ...toMessage(socket, route),
    protocol: RTPROT_BOOT,
    type: RTN_UNICAST,
    scope: typeof scope === 'number' ? scope : scopeNumber(scope ?? usual),
    metrics: mtu === undefined && advertisedMss === undefined ? undefined : { mtu, advertisedMss },
    flags: route.onLink ? RTNH_F_ONLINK : 0,
    source: source === undefined ? undefined : parseAddress(source),
  };
  const flags = Flag.CREATE | (route.append ? Flag.APPEND : Flag.EXCLUSIVE);
  socket.request({ step: `add ${describe(route)}`, type: RTM_NEWROUTE, flags, codec: routeMessage, value });
}

function describe({ destination, gateway, link }: NewRoute): string {
  return `route ${destination}${gateway === undefined ? '' : ` via ${gateway}`}${link === undefined ? '' : ` dev ${linkName(link)}`}`;
}

function toMessage(socket: NetlinkSocket, route: NewRoute) {
  const destination = parsePrefix(route.destination);
  const table = route.table ?? RT_TABLE_MAIN;
  return {
    family: familyOf(destination.address),
    prefixLength: destination.length,
    shortTable: table < 256 ? table : 0,
    destination: destination.length === 0 ? undefined : destination.address,
    gateway: route.gateway === undefined ? undefined : parseAddress(route.gateway),
    link: route.link === undefined ? undefined : linkIndex(socket, route.link),
    metric: route.metric,
    table,
  };
}

function toRoute(message: ValueOf<typeof routeMessage>): Route {
  const { family, gateway, link, source, metric, metrics } = message;
  const address = message.destination ?? new Uint8Array(family === AF_INET6 ? 16 : 4);
  return {
    destination: formatPrefix({ address, length: message.prefixLength ?? 0 }),
    ...(gateway === undefined ? {} : { gateway: formatAddress(gateway) }),
    ...(link === undefined ? {} : { link }),
    ...(source === undefined ? {} : { source: formatAddress(source) }),
    scope: scopeName(message.scope ?? 0),
    ...(metric === undefined ? {} : { metric }),
    ...(metrics?.mtu === undefined ? {} : { mtu: metrics.mtu }),
    ...(metrics?.advertisedMss === undefined ? {} : { advertisedMss: metrics.advertisedMss }),
    table: message.table ?? message.shortTable ?? 0,
  };
}
