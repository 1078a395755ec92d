/** The container's end: addresses and routes in its network namespace, announced to the neighbours. */
import { addAddress } from '../../../host/netlink/address.ts';
import { type Link, setLink, setLinkAside } from '../../../host/netlink/link.ts';
import { addRoute } from '../../../host/netlink/route.ts';
import type { NetlinkSocket } from '../../../host/netlink/socket.ts';
import { within } from '../../../host/netns.ts';
import type { Ip, Route } from '../../result.ts';
import { insideOf, openInside } from '../inside.ts';
import type { AttachmentCall } from '../plugin.ts';
import { shellWord } from '../shell-word.ts';
import type { Trace } from '../trace.ts';
import { type Addressing, broadcastOf, gatewayOf, isIpv6 } from './addressing.ts';
import type { BridgeConfig } from './config.ts';
import { ipv6ParametersOf, prefer } from './parameter.ts';

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
  const noDad = ips.some(({ address }) => isIpv6(address)) && setParameters(call, config);
  for (const { address } of ips) {
    const broadcast = broadcastOf(address);
    const words = `${broadcast ? ` brd ${broadcast}` : ''} dev ${shellWord(ifName)}`;
    trace(`${inside}ip addr add ${address}${words}`, () =>
      addAddress(socket, { link, address, noDad: noDad && isIpv6(address), ...(broadcast && { broadcast }) }),
    );
  }
  setUp(
    socket,
    call,
    link,
    ips.some(({ address }) => !isIpv6(address)),
  );
  for (const route of routes) addOne(socket, call, { ...route, gw: gatewayOf(route, ips) }, link);
}

/** `arpNotify`: from then on, but not for this once, as the bridge may not forward yet. The kernel takes the two in this order. */
export function setUp(socket: NetlinkSocket, call: AttachmentCall, link: Link, arpNotify = false): void {
  const { ifName } = call;
  const parameter = ` && ${insideOf(call)}sysctl -w ${shellWord(`net/ipv4/conf/${ifName}/arp_notify=1`)}`;
  insideTrace(call)(`ip link set dev ${shellWord(ifName)} up${arpNotify ? parameter : ''}`, () =>
    setLink(socket, link, { up: true, ...(arpNotify && { arpNotify }) }),
  );
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

/** What a command is told as that is run in the container. */
function insideTrace(call: AttachmentCall): Trace {
  return (command, effect) => call.trace(`${insideOf(call)}${command}`, effect);
}

/**
 * Parameters of IPv6 that have to be there before the interface has addresses and goes up. Whether the addresses have to be added without
 * duplicate address detection, one by one, as the interface could not be kept from it.
 */
function setParameters(call: AttachmentCall, { enableDad }: BridgeConfig): boolean {
  const { netns, ifName } = call;
  const trace = insideTrace(call);
  return within(netns, () => {
    using own = ipv6ParametersOf(ifName, trace);
    using lo = ipv6ParametersOf('lo', trace);
    // Some runtimes turn IPv6 off in every new namespace.
    for (const one of [lo, own]) if (one.read('disable_ipv6') !== '0') one.set('disable_ipv6', 0);
    own.prefer('keep_addr_on_down', 1);
    const isSet = own.prefer('accept_dad', enableDad ? 1 : 0);
    if (enableDad) own.prefer('enhanced_dad', 1);
    return !enableDad && !isSet;
  });
}

/**
 * Gratuitous ARP and unsolicited neighbour advertisements: who had the address in mind with another MAC learns the new one. The kernel could
 * send them when the interface goes up, but then the bridge may still drop them; that it is given the MAC that it has makes it send them
 * too. Once only: every container on the bridge gets to hear of it. With hundreds of them this takes longer than all the rest of an ADD, so
 * where this process goes on, a thread does it when the ADD is done.
 */
export function announce(socket: NetlinkSocket, call: AttachmentCall, link: Link, ips: readonly Ip[]): void {
  const { netns, ifName } = call;
  const { mac } = link;
  if (mac === undefined) return;
  const trace = insideTrace(call);
  if (ips.some(({ address }) => isIpv6(address))) {
    within(netns, () => void prefer(trace, `net/ipv6/conf/${ifName}/ndisc_notify`, 1));
  }
  if (call.afterwards) call.afterwards(() => announceAside(call, link, mac));
  else trace(`ip link set dev ${shellWord(ifName)} address ${mac}`, () => setLink(socket, link, { mac }));
}

/** It is the same interface or none: indices are not given twice in a namespace, and the socket stays in this one. */
async function announceAside(call: AttachmentCall, link: Link, mac: string): Promise<void> {
  try {
    using own = openInside(call);
    await setLinkAside(own, link, { mac });
  } catch {
    // A DEL came first.
  }
}
