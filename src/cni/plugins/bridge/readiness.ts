/**
 * When IPv6 addresses answer: once the kernel has joined the group in which neighbours ask for them, which it does a moment after the link is
 * up, or with duplicate address detection (`enabledad`, RFC 4862) a second or two. Until then they are tentative, and a neighbour who asks
 * too early asks again only after a second.
 */
import { listAddresses } from '../../../host/netlink/address.ts';
import { AF_INET6 } from '../../../host/netlink/inet.ts';
import { type Link, requireLink } from '../../../host/netlink/link.ts';
import { Group, NetlinkSocket } from '../../../host/netlink/socket.ts';
import { within } from '../../../host/netns.ts';
import type { AttachmentCall } from '../plugin.ts';
import { PluginError } from '../plugin-error.ts';

/** As long as the reference plugin waits. */
const PATIENCE_MS = 5000;

/** A link and its namespace. */
export interface Place {
  socket: NetlinkSocket;
  link: Link;
  /** Of the link's addresses those that are to be waited for; without, all. */
  only?: readonly string[];
}

/** Of the container and, with gateways to be waited for, of the bridge. Throws PluginError if another host has one of the addresses. */
export async function untilAnswering(call: AttachmentCall, container: Place, bridge: Place): Promise<void> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const signal = AbortSignal.any([patience, ...(call.signal ? [call.signal] : [])]);
  try {
    await settle(container, signal, open => within(call.netns, open));
    if (bridge.only && bridge.only.length > 0) await settle(bridge, signal, open => open());
  } catch (error) {
    if (!patience.aborted || error instanceof PluginError) throw error;
    const msg = `IPv6 addresses are still tentative after ${PATIENCE_MS / 1000} s`;
    const where = `${container.link.name} in the container and ${bridge.link.name}`;
    throw new PluginError('TryAgainLater', msg, `see what \`ip -6 addr\` says of ${where}`);
  }
}

type OpenInside = (open: () => NetlinkSocket) => NetlinkSocket;

async function settle(place: Place, signal: AbortSignal, inside: OpenInside): Promise<void> {
  const { socket, link } = place;
  requireLink(socket, link); // newer kernels see by this alone that the link has come up
  if (isSettled(place)) return;
  using news = inside(() => new NetlinkSocket('route'));
  news.subscribe(Group.ipv6Address);
  while (!isSettled(place)) await news.notified(signal);
}

function isSettled({ socket, link, only }: Place): boolean {
  const all = listAddresses(socket, { link, family: AF_INET6 });
  const addresses = only === undefined ? all : all.filter(({ address }) => only.includes(address));
  const duplicate = addresses.find(one => one.duplicate);
  if (duplicate === undefined) return !addresses.some(({ tentative }) => tentative);
  const msg = `another host has ${duplicate.address}: duplicate address detection (enabledad) has found it`;
  throw new PluginError('Internal', msg, 'find that host: it is on the network of the bridge');
}
