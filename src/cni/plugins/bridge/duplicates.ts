/** `enabledad`: waiting until IPv6's duplicate address detection is over, RFC 4862. */
import { listAddresses } from '../../../host/netlink/address.ts';
import { AF_INET6 } from '../../../host/netlink/inet.ts';
import { Group, NetlinkSocket } from '../../../host/netlink/socket.ts';
import { within } from '../../../host/netns.ts';
import type { AttachmentCall } from '../plugin.ts';
import { PluginError } from '../plugin-error.ts';

/** As long as the reference plugin waits. */
const PATIENCE_MS = 5000;

/** Of the container's interface and of the bridge. Throws PluginError if another host has one of the addresses. */
export async function settle(
  { host, inside }: { host: NetlinkSocket; inside: NetlinkSocket },
  call: AttachmentCall,
  bridge: string,
): Promise<void> {
  using newsInside = within(call.netns, () => new NetlinkSocket('route'));
  using news = new NetlinkSocket('route');
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const signal = AbortSignal.any([patience, ...(call.signal ? [call.signal] : [])]);
  try {
    await settleLink(inside, newsInside, call.ifName, signal);
    await settleLink(host, news, bridge, signal);
  } catch (error) {
    if (!patience.aborted || error instanceof PluginError) throw error;
    const msg = `duplicate address detection (enabledad) is not over after ${PATIENCE_MS / 1000} s`;
    throw new PluginError(
      'TryAgainLater',
      msg,
      `see \`ip -6 addr\` of ${call.ifName} in the container and of ${bridge}`,
    );
  }
}

async function settleLink(
  socket: NetlinkSocket,
  news: NetlinkSocket,
  link: string,
  signal: AbortSignal,
): Promise<void> {
  news.subscribe(Group.ipv6Address);
  for (;;) {
    const present = listAddresses(socket, { link, family: AF_INET6 });
    const duplicate = present.find(one => one.duplicate);
    if (duplicate) {
      const msg = `another host has ${duplicate.address}: duplicate address detection (enabledad) has found it`;
      throw new PluginError('Internal', msg, 'find that host: it is on the network of the bridge');
    }
    if (!present.some(({ tentative }) => tentative)) return;
    await news.notified(signal);
  }
}
