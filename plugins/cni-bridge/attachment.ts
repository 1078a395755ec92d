/** Attachments as CNI's result cache has them, and as the kernel has them. */
import { type Attachment, type DetachRequest, KukeError, type PortMapping } from 'kuke/plugin';
import * as v from 'valibot';
import type { AttachmentId } from '../../src/cni/attachment.ts';
import type { Result } from '../../src/cni/result.ts';
import { hasCode } from '../../src/host/errno.ts';
import { listAddresses } from '../../src/host/netlink/address.ts';
import { getLink, type Link } from '../../src/host/netlink/link.ts';
import { listRoutes } from '../../src/host/netlink/route.ts';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { isNetns, within } from '../../src/host/netns.ts';

export function attachmentId({ name, attachmentId, interface: ifName }: DetachRequest): AttachmentId {
  return { network: name, containerId: attachmentId, ifName };
}

/** CNI's capability arguments, as far as kuke gives any. */
export type CapabilityArgs = {
  portMappings?: PortMapping[];
  ips?: string[];
};

const portsSchema = v.object({
  portMappings: v.array(
    v.object({
      hostPort: v.number(),
      containerPort: v.number(),
      protocol: v.picklist(['tcp', 'udp']),
      hostIP: v.exactOptional(v.string()),
    }),
  ),
});

/** What an ADD has made, in the kernel's words, and was asked for. Throws NetworkFailed if it gave no address. */
export function toAttachment(request: DetachRequest, result: Result, capabilityArgs: object = {}): Attachment {
  const { name, interface: ifName, attachmentId } = request;
  const ips = result.ips.filter(
    ({ interface: index }) => index === undefined || result.interfaces[index]?.name === ifName,
  );
  if (ips.length === 0) {
    throw new KukeError('NetworkFailed', `the plugins of network ${name} gave ${ifName} no address`, {
      remedy: 'see the `ipam` of its conflist',
    });
  }
  const published = v.safeParse(portsSchema, capabilityArgs);
  const gateway = ips.find(ip => ip.gateway)?.gateway;
  return {
    network: name,
    interface: ifName,
    addresses: ips.map(ip => ip.address),
    ...(gateway !== undefined && { gateway }),
    attachmentId,
    ...(published.success && { ports: published.output.portMappings }),
  };
}

/** Whether the interface is in the namespace, with all of the addresses, and `isPort` says of it that it leads to the bridge. */
export function isPresent(
  netns: string,
  { interface: name, addresses }: Attachment,
  isPort: (inside: Link) => boolean,
): boolean {
  const socket = socketIn(netns);
  if (socket === undefined) return false;
  using inside = socket;
  const link = getLink(inside, name);
  if (link === undefined || !isPort(link)) return false;
  const found = listAddresses(inside, { link: link.index }).map(({ address }) => address);
  return addresses.every(address => found.includes(address));
}

/** An interface inside a namespace; undefined where either is missing. */
export function linkIn(netns: string, name: string): Link | undefined {
  const socket = socketIn(netns);
  if (socket === undefined) return undefined;
  using inside = socket;
  return getLink(inside, name);
}

/** Whether the namespace has a way out already. */
export function hasDefaultRoute(netns: string): boolean {
  const socket = socketIn(netns);
  if (socket === undefined) return false;
  using inside = socket;
  return listRoutes(inside).some(({ destination }) => destination.endsWith('/0'));
}

/** A socket that stays in the namespace; undefined if that is gone. */
export function socketIn(netns: string): NetlinkSocket | undefined {
  if (!isNetns(netns)) return undefined;
  try {
    return within(netns, () => new NetlinkSocket('route'));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
