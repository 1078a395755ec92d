/** The container's end: addresses and routes in its network namespace, announced to the neighbours. */
import { addAddress } from '../../../host/netlink/address.ts';
import { type Link, setLink } from '../../../host/netlink/link.ts';
import { addRoute } from '../../../host/netlink/route.ts';
import type { NetlinkSocket } from '../../../host/netlink/socket.ts';
import { within } from '../../../host/netns.ts';
import { readSysctl } from '../../../host/sysctl.ts';
import type { Ip, Route } from '../../result.ts';
import { insideOf } from '../inside.ts';
import type { AttachmentCall, PluginCall } from '../plugin.ts';
import { shellWord } from '../shell-word.ts';
import { type Addressing, broadcastOf, gatewayOf, isIpv6 } from './addressing.ts';
import type { BridgeConfig } from './config.ts';
import { prefer, set } from './parameter.ts';

/** Gives the interface, which is down, its addresses, sets it up, and adds the routes. */
export function configureInside(
  socket: NetlinkSocket,
  call: AttachmentCall,
  link: Link,
  { ips, routes }: Addressing,
  config: BridgeConfig,
): void {
  const { ifName, trace } = call;
  const inside = insideOf(call);
  const noDad = setParameters(call, ips, config);
  for (const { address } of ips) {
    const broadcast = broadcastOf(address);
    const words = `${broadcast ? ` brd ${broadcast}` : ''} dev ${shellWord(ifName)}`;
    trace(`${inside}ip addr add ${address}${words}`, () =>
      addAddress(socket, { link, address, noDad: noDad && isIpv6(address), ...(broadcast && { broadcast }) }),
    );
  }
  setUp(socket, call, link);
  for (const route of routes) addOne(socket, call, { ...route, gw: gatewayOf(route, ips) }, link);
}

export function setUp(socket: NetlinkSocket, call: AttachmentCall, link: Link): void {
  const { ifName, trace } = call;
  trace(`${insideOf(call)}ip link set ${shellWord(ifName)} up`, () => setLink(socket, link, { up: true }));
}

function addOne(socket: NetlinkSocket, call: AttachmentCall, route: Route, link: Link): void {
  const { dst, gw, priority, table, scope, mtu, advmss } = route;
  const words = [
    ...(gw ? [`via ${gw}`] : []),
    `dev ${shellWord(call.ifName)}`,
    ...(priority ? [`metric ${priority}`] : []),
    ...(table ? [`table ${table}`] : []),
    ...(scope ? [`scope ${scope}`] : []),
    ...(mtu ? [`mtu ${mtu}`] : []),
    ...(advmss ? [`advmss ${advmss}`] : []),
  ].join(' ');
  call.trace(`${insideOf(call)}ip route append ${dst} ${words}`, () =>
    addRoute(socket, {
      destination: dst,
      link,
      append: true,
      ...(gw && { gateway: gw }),
      ...(priority && { metric: priority }),
      ...(table && { table }),
      ...(scope !== undefined && { scope }),
      ...(mtu && { mtu }),
      ...(advmss && { advertisedMss: advmss }),
    }),
  );
}

/**
 * Parameters of the interface that have to be there before it has addresses and goes up. Whether IPv6 addresses have to be added without
 * duplicate address detection, one by one, as the interface could not be kept from it.
 */
function setParameters(call: AttachmentCall, ips: readonly Ip[], { enableDad }: BridgeConfig): boolean {
  const { netns, ifName, trace } = call;
  const hasIpv6 = ips.some(({ address }) => isIpv6(address));
  const inside: PluginCall['trace'] = (command, effect) => trace(`${insideOf(call)}${command}`, effect);
  return within(netns, () => {
    prefer(inside, `net/ipv4/conf/${ifName}/arp_notify`, 1);
    if (!hasIpv6) return false;
    for (const name of ['lo', ifName]) {
      // Some runtimes turn IPv6 off in every new namespace.
      const disabled = `net/ipv6/conf/${name}/disable_ipv6`;
      if (readSysctl(disabled) !== '0') set(inside, disabled, 0);
    }
    prefer(inside, `net/ipv6/conf/${ifName}/keep_addr_on_down`, 1);
    prefer(inside, `net/ipv6/conf/${ifName}/ndisc_notify`, 1);
    const isSet = prefer(inside, `net/ipv6/conf/${ifName}/accept_dad`, enableDad ? 1 : 0);
    if (enableDad) prefer(inside, `net/ipv6/conf/${ifName}/enhanced_dad`, 1);
    return !enableDad && !isSet;
  });
}

/**
 * Gratuitous ARP and unsolicited neighbour advertisements: who had the address in mind with another MAC learns the new one. They go out when
 * the interface goes up too, but then the bridge may still drop them; giving it the MAC that it has makes the kernel repeat them.
 */
export function announce(socket: NetlinkSocket, call: AttachmentCall, link: Link): void {
  const { mac } = link;
  if (mac === undefined) return;
  const { ifName, trace } = call;
  const command = `${insideOf(call)}ip link set ${shellWord(ifName)} address ${mac}`;
  trace(command, () => setLink(socket, link, { mac }));
}
