/** An attachment's veth: one end a port of the bridge, named and marked after the attachment, the other in the container. */
import { existsSync } from 'node:fs';
import { hasCode } from '../../../host/errno.ts';
import { createVeth, deleteLinkAside, getLink, type Link, listLinks, requireLink } from '../../../host/netlink/link.ts';
import { removeLink } from '../../../host/netlink/link-removal.ts';
import { Group, NetlinkSocket } from '../../../host/netlink/socket.ts';
import { insideOf } from '../inside.ts';
import { digest, isStale, labelOf } from '../label.ts';
import type { AttachmentCall, GcCall, PluginCall } from '../plugin.ts';
import { PluginError } from '../plugin-error.ts';
import { shellWord } from '../shell-word.ts';
import type { BridgeConfig } from './config.ts';
import { isUnclaimed } from './device.ts';

/** Of the end on the host; the same for an attachment each time, so that it is found again without any record. */
export function portName(call: AttachmentCall): string {
  return nameFor(labelOf(call.network, call));
}

const nameFor = (label: string) => `veth${digest(label, 11)}`;

/** Whether an end on the host says by its alias that it is another attachment's: an alias that somebody else has set has not its name. */
export function isOfAnother(call: AttachmentCall, { name, alias = '' }: Link): boolean {
  return alias !== labelOf(call.network, call) && name === nameFor(alias);
}

/** RFC 8200: an interface with less has no IPv6. */
const LEAST_IPV6_MTU = 1280;

/** Makes both ends; that in the container is down. Who has put the bridge into a group finds its ports there too. */
export function createPort(socket: NetlinkSocket, call: AttachmentCall, bridge: Link, config: BridgeConfig): void {
  const { ifName, netns, trace } = call;
  const { mtu, mac, hairpinMode, portIsolation } = config;
  const name = portName(call);
  const alias = labelOf(call.network, call);
  const port = { ...(hairpinMode && { hairpin: true }), ...(portIsolation && { isolated: true }) };
  const hasSettings = Object.keys(port).length > 0;
  // The bridge speaks for its ports. Where there is no IPv6 the kernel refuses to hear of it.
  const isSilent = existsSync('/proc/sys/net/ipv6') && (mtu ?? LEAST_IPV6_MTU) >= LEAST_IPV6_MTU;
  const sizes = mtu ? ` mtu ${mtu}` : '';
  const peer = `name ${shellWord(ifName)} netns ${shellWord(netns)}${sizes}${mac ? ` address ${mac}` : ''}`;
  const group = isUnclaimed(bridge.group) ? undefined : bridge.group;
  const command = [
    `ip link add name ${name}${group ? ` group ${group}` : ''} master ${shellWord(bridge.name)}${sizes} type veth peer ${peer}`,
    `ip link set dev ${name} alias ${shellWord(alias)}${isSilent ? ' addrgenmode none' : ''} up`,
    ...(hasSettings
      ? [`bridge link set dev ${name}${hairpinMode ? ' hairpin on' : ''}${portIsolation ? ' isolated on' : ''}`]
      : []),
  ].join(' && ');
  trace(command, () =>
    createVeth(socket, {
      name,
      alias,
      master: bridge,
      ...(group && { group }),
      up: true,
      ...(isSilent && { linkLocal: false }),
      ...(mtu && { mtu }),
      ...(hasSettings && { port }),
      peer: { name: ifName, netns, ...(mtu && { mtu }), ...(mac && { mac }) },
    }),
  );
}

/** The end on the host, if it is this attachment's; it has no alias where the kernel has refused a setting, and may have been given another. */
export function findPort(socket: NetlinkSocket, call: AttachmentCall): Link | undefined {
  const link = getLink(socket, portName(call));
  return link?.kind === 'veth' && !isOfAnother(call, link) ? link : undefined;
}

/** The ends on the host of the network's attachments that are no longer valid. */
export function stalePorts(socket: NetlinkSocket, { network, valid }: GcCall): Link[] {
  const isGone = isStale(network, valid);
  return listLinks(socket).filter(({ kind, alias }) => kind === 'veth' && alias !== undefined && isGone(alias));
}

/** Removes a veth, both ends, while other work goes on; one that is gone is as it should be. It is this that takes the kernel 20 ms. */
export async function removeVeth({ trace }: Pick<PluginCall, 'trace'>, link: Link): Promise<void> {
  await ifThere(trace(`ip link del dev ${shellWord(link.name)}`, () => removeLink(link)));
}

/** The same, from the container's end. */
export async function removeVethInside(socket: NetlinkSocket, call: AttachmentCall, link: Link): Promise<void> {
  const command = `${insideOf(call)}ip link del dev ${shellWord(link.name)}`;
  await ifThere(call.trace(command, () => deleteLinkAside(socket, link)));
}

async function ifThere(removal: Promise<void>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!hasCode(error, 'ENODEV')) throw error;
  }
}

/** As long as the reference plugin has patience. */
const PATIENCE_MS = 2500;

/** The end on the host, as soon as frames pass. */
export async function passingPort(socket: NetlinkSocket, name: string, signal?: AbortSignal): Promise<Link> {
  const link = requireLink(socket, name); // newer kernels bring its state up to date by this alone
  if (link.running) return link;
  using news = new NetlinkSocket('route');
  news.subscribe(Group.link);
  const patience = AbortSignal.timeout(PATIENCE_MS);
  for (;;) {
    const now = requireLink(socket, name);
    if (now.running) return now;
    try {
      await news.notified(AbortSignal.any([patience, ...(signal ? [signal] : [])]));
    } catch (error) {
      if (!patience.aborted) throw error;
      throw new PluginError('Internal', `port ${name} of the bridge does not come up: ip -d link show ${name}`);
    }
  }
}

/** Throws what says that a name is in use: the kernel's own words for it say neither where nor by whom. */
export function refuseTaken({ netns, ifName }: AttachmentCall, { kind = 'unknown' }: Link): never {
  throw new PluginError(
    'InvalidEnvironment',
    `CNI_IFNAME: there is an interface ${JSON.stringify(ifName)} of kind ${kind} in ${netns} already`,
    'choose another name, or DEL the attachment that it is of',
  );
}
