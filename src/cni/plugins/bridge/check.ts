/** CHECK: whether what ADD has told of (prevResult) is still so, as the reference plugin compares it. */
import { listAddresses } from '../../../host/netlink/address.ts';
import { formatPrefix, parsePrefix } from '../../../host/netlink/inet.ts';
import { getLink, type Link } from '../../../host/netlink/link.ts';
import { listRoutes, type Route as Present } from '../../../host/netlink/route.ts';
import { NetlinkSocket } from '../../../host/netlink/socket.ts';
import type { Interface, Result, Route } from '../../result.ts';
import { openInside } from '../inside.ts';
import { ipam } from '../ipam.ts';
import { masquerade } from '../masquerade.ts';
import type { AttachmentCall } from '../plugin.ts';
import { PluginError } from '../plugin-error.ts';
import { gatewaysOf } from './addressing.ts';
import { type BridgeConfig, parseConfig } from './config.ts';
import { requireFramesChecked } from './mac-spoofing.ts';

/** Throws PluginError, which says what is missing or was changed. */
export async function check(call: AttachmentCall): Promise<void> {
  const config = parseConfig(call);
  if (config.hasIpam) await ipam.check(call);
  const { prevResult } = call;
  if (prevResult === undefined) throw new PluginError('InvalidConfig', 'prevResult is missing: CHECK compares with it');
  using host = new NetlinkSocket('route');
  using inside = openInside(call);
  const told = interfacesIn(prevResult, call, config);
  const bridge = requireBridge(host, told.bridge, config);
  const container = requireContainer(inside, told.container, call);
  const port = requirePort(host, told.others, { bridge, container }, config);
  for (const link of [bridge, port, container]) requireUp(link);
  requireMtu(container, told.container.mtu ?? config.mtu);
  requireMtu(port, told.others.find(({ name }) => name === port.name)?.mtu ?? config.mtu);
  const index = prevResult.interfaces.indexOf(told.container);
  const ips = prevResult.ips.filter(ip => ip.interface === undefined || ip.interface === index);
  const addresses = ips.map(({ address }) => address);
  requireAddresses(inside, addresses, container);
  if (config.isGateway) requireAddresses(host, gatewaysOf(ips), bridge);
  requireRoutes(inside, prevResult.routes);
  if (config.macSpoofCheck) requireFramesChecked(call, { port: port.name, mac: container.mac ?? '' });
  if (!config.ipMasq || !config.hasIpam) return;
  masquerade.check(call, { addresses, bridge: config.bridge });
}

function interfacesIn({ interfaces }: Result, { ifName, netns }: AttachmentCall, config: BridgeConfig) {
  const bridge = interfaces.find(({ name, sandbox }) => name === config.bridge && !sandbox);
  const container = interfaces.find(({ name, sandbox }) => name === ifName && sandbox === netns);
  if (bridge === undefined) throw new PluginError('InvalidConfig', `prevResult has no bridge ${config.bridge}`);
  if (container === undefined) {
    throw new PluginError('InvalidConfig', `prevResult has no interface ${ifName} in ${netns}`);
  }
  return { bridge, container, others: interfaces.filter(one => one !== bridge && one !== container && !one.sandbox) };
}

function requireBridge(host: NetlinkSocket, told: Interface, { promiscMode, bridge }: BridgeConfig): Link {
  const link = getLink(host, bridge);
  if (link === undefined) throw changed(`bridge ${bridge} is gone`);
  if (link.kind !== 'bridge') throw changed(`${bridge} is no bridge any more`);
  requireMac(told, link);
  if (link.promiscuous !== promiscMode) {
    throw changed(`promiscuous mode of bridge ${bridge} is ${link.promiscuous ? 'on' : 'off'}`);
  }
  return link;
}

function requireContainer(inside: NetlinkSocket, told: Interface, { ifName, netns }: AttachmentCall): Link {
  const link = getLink(inside, ifName);
  if (link === undefined) throw changed(`interface ${ifName} in ${netns} is gone`);
  if (link.kind !== 'veth') throw changed(`interface ${ifName} in ${netns} is no veth`);
  requireMac(told, link);
  return link;
}

/** That of the interfaces which is the other end. */
function requirePort(
  host: NetlinkSocket,
  told: readonly Interface[],
  { bridge, container }: { bridge: Link; container: Link },
  { hairpinMode, portIsolation }: BridgeConfig,
): Link {
  for (const one of told) {
    const link = getLink(host, one.name);
    if (link?.kind !== 'veth' || link.peer !== container.index || container.peer !== link.index) continue;
    requireMac(one, link);
    if (link.master !== bridge.index) throw changed(`${link.name} is no port of bridge ${bridge.name}`);
    const { hairpin = false, isolated = false } = link.port ?? {};
    if (hairpin !== hairpinMode) throw changed(`hairpin mode of ${link.name} is ${hairpin ? 'on' : 'off'}`);
    // On without having been asked for it may be, by the plugin firewall: its ingressPolicy isolated.
    if (portIsolation && !isolated) throw changed(`isolation of ${link.name} is off`);
    return link;
  }
  const names = told.map(({ name }) => name).join(', ') || 'none is named';
  throw changed(`the end on the host of ${container.name} is gone (${names})`);
}

function requireUp(link: Link): void {
  if (!link.up) throw changed(`${link.name} is down`);
}

function requireMac({ mac }: Interface, link: Link): void {
  if (mac && mac.toLowerCase() !== link.mac) throw changed(`${link.name} has the MAC ${link.mac}, not ${mac}`);
}

function requireMtu({ name, mtu }: Link, told: number | undefined): void {
  if (told && mtu !== told) throw changed(`${name} has the MTU ${mtu}, not ${told}`);
}

function requireAddresses(socket: NetlinkSocket, told: readonly string[], { index, name }: Link): void {
  const present = listAddresses(socket, { link: index }).map(({ address }) => address);
  for (const address of told) {
    if (!present.includes(formatPrefix(parsePrefix(address)))) throw changed(`${name} has no address ${address}`);
  }
}

function requireRoutes(inside: NetlinkSocket, told: readonly Route[]): void {
  const present = told.length > 0 ? listRoutes(inside, { table: 'all' }) : [];
  for (const route of told) {
    const { dst, gw } = route;
    if (!present.some(one => isRoute(route, one))) throw changed(`there is no route to ${dst}${gw ? ` by ${gw}` : ''}`);
  }
}

const MAIN_TABLE = 254;

function isRoute({ dst, gw, table, priority }: Route, present: Present): boolean {
  const destination = formatPrefix(parsePrefix(dst));
  return (
    present.destination === destination &&
    present.table === (table || MAIN_TABLE) &&
    (!gw || present.gateway === formatPrefix(parsePrefix(gw)).replace(/\/.*/, '')) &&
    (!priority || present.metric === priority)
  );
}

function changed(msg: string): PluginError {
  return new PluginError('Internal', msg, 'DEL the attachment and ADD it again');
}
