/**
 * Detaching: CNI DEL with what the ADD's cache holds. The built-in plugins leave nothing, whatever happened before. After executed ones
 * comes a look at what the reference plugins leave behind when a namespace is gone (masquerading rules), when they are missing or fail
 * (everything), or when the ADD was killed (published ports too).
 */
import type { ActionContext, AttachRequest, DetachRequest } from 'kuke/plugin';
import {
  type CachedAttachment,
  CacheError,
  listCached,
  readCached,
  removeCached,
  sameAttachment,
} from '../../src/cni/cache.ts';
import type { NetworkConfig } from '../../src/cni/config.ts';
import { endPlugins } from '../../src/cni/orphans.ts';
import { NATIVE } from '../../src/cni/plugins/native.ts';
import { removeStaleTemporaries } from '../../src/host/atomic-file.ts';
import { deleteLink, getLink } from '../../src/host/netlink/link.ts';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { isNetns } from '../../src/host/netns.ts';
import { attachmentId, linkIn, socketIn } from './attachment.ts';
import { removeLinks } from './bridge.ts';
import { networkFailure, tearDown } from './failures.ts';
import { allNetworks, type Host } from './host.ts';
import { removeReferenceRules } from './reference-rules.ts';
import { releaseReservations } from './reservations.ts';
import { markerOf } from './space-network.ts';

/** What is undone has been asked for ports; what is detached long after has not. */
type Request = DetachRequest & Pick<AttachRequest, 'ports'>;

/** Works without the namespace, and on what was never attached. Afterwards nothing of the attachment is left. */
export async function detach(host: Host, request: Request, { signal }: ActionContext): Promise<void> {
  const { name, netns, interface: ifName, ports: portMappings } = request;
  const id = attachmentId(request);
  const cached = await readOwn(host, request);
  const known = cached instanceof CacheError ? undefined : cached;
  const asksAnyway = cached instanceof CacheError || !host.isExecuted('bridge') || linkIn(netns, ifName) !== undefined;
  const fallback = known === undefined && asksAnyway ? await configOf(host, name) : undefined;
  const config = known?.config ?? fallback;
  // No result, so an ADD may have been killed: its plugins must not go on with what is taken away here.
  if (known === undefined) await endPlugins(id.containerId, signal);
  let failure: unknown;
  try {
    if (config !== undefined) {
      const where = isNetns(netns) ? netns : '';
      // Without ports the reference portmap takes away nothing.
      const capabilityArgs = portMappings === undefined ? {} : { portMappings };
      const without = fallback && { fallback: { network: fallback, capabilityArgs } };
      await host.cni.del(id, { netns: where, signal, ...without });
    }
  } catch (error) {
    failure = error;
  }
  const leavesNothing = known === undefined ? !host.isExecuted('bridge') : isNative(known);
  if (known === undefined || !leavesNothing) await sweep(host, request, known, signal);
  if (failure !== undefined) {
    const error = networkFailure(failure, `detach from network ${name}`);
    if (error.code === 'Cancelled' || leavesNothing || (config && !isSwept(config))) throw error;
    host.warn(`${error.summary}; what the plugin should have removed, kuke has removed itself`);
  }
  if (known || cached instanceof CacheError) removeCached(host.results, id);
  else await removeStaleTemporaries(host.results); // the ADD was killed while it wrote the file, or never got there
}

/** Detaches all that this installation has attached to networks of these names, as the cache has it. */
export async function detachAll(
  host: Host,
  isWanted: (network: string) => boolean,
  context: ActionContext,
): Promise<void> {
  const instance = await host.instance();
  const { attachments } = listCached(host.results);
  const ours = attachments.filter(
    ({ network, config }) => isWanted(network) && markerOf(config)?.instance === instance,
  );
  const steps = ours.map(({ network: name, containerId, ifName, netns = '' }) => {
    const request = { name, attachmentId: containerId, interface: ifName, netns };
    return [`detach ${containerId} from ${name}`, () => detach(host, request, context)] as const;
  });
  await tearDown(Object.fromEntries(steps));
}

/** Whether all that was made was made by plugins that leave nothing at DEL. */
function isNative({ invokers }: CachedAttachment): boolean {
  return invokers.length > 0 && invokers.every(name => name === NATIVE);
}

/** What the plugins of our own conflists make: then the sweep has taken away all that there was. */
function isSwept({ plugins }: NetworkConfig): boolean {
  return plugins.every(
    ({ type, ipam }) => type === 'portmap' || (type === 'bridge' && (ipam === undefined || ipam === 'host-local')),
  );
}

/** Removes what `bridge`, `host-local` and `portmap` make for an attachment, without them. `cached`: what an ADD said it had made. */
export async function sweep(
  host: Host,
  request: DetachRequest,
  cached: CachedAttachment | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const { name, attachmentId: id, netns, interface: ifName } = request;
  await tearDown({
    [`remove ${ifName} from ${netns}`]: () => removeInside(netns, ifName, cached),
    'remove its end on the host': () => removeLinks(hostEnds(cached)),
    'free its address': () => releaseReservations(host.ipam, name, { containerId: id, ifName }),
    'remove its rules in iptables': () => removeReferenceRules({ network: name, attachmentId: id }, { signal }),
  });
}

/** Of the attachment only: another one may have come after it under the same name. */
function removeInside(netns: string, ifName: string, cached: CachedAttachment | undefined): void {
  const made = cached?.result?.interfaces.find(one => one.name === ifName && one.sandbox)?.mac;
  const socket = socketIn(netns);
  if (socket === undefined) return;
  using inside = socket;
  const link = getLink(inside, ifName);
  if (link === undefined || (made && link.mac !== made)) return;
  deleteLink(inside, link.index);
}

/** The ends of veths outside of the namespace: they stay as long as a process keeps a namespace that has lost its name. */
function hostEnds(cached: CachedAttachment | undefined): number[] {
  using socket = new NetlinkSocket('route');
  const outside = cached?.result?.interfaces.filter(({ sandbox }) => !sandbox) ?? [];
  return outside.flatMap(({ name, mac }) => {
    const link = getLink(socket, name);
    return link?.kind === 'veth' && link.mac === mac ? [link.index] : [];
  });
}

/** The cached attachment; the error if the file is of no use. */
async function readOwn(host: Host, request: DetachRequest): Promise<CachedAttachment | CacheError | undefined> {
  const id = attachmentId(request);
  try {
    const cached = readCached(host.results, id);
    return cached !== undefined && sameAttachment(cached, id) ? cached : undefined;
  } catch (error) {
    if (error instanceof CacheError) return error;
    throw error;
  }
}

/** The network's conflist as it is now, for an attachment of which nothing else is known. */
async function configOf(host: Host, name: string): Promise<NetworkConfig | undefined> {
  const instance = await host.instance();
  const { spaces } = await allNetworks(host);
  return spaces.find(network => network.name === name && network.instance === instance)?.config;
}
