/** What the host says of networks, attachments and namespaces. Reads only. */
import {
  type Attachment,
  type DetachRequest,
  type NetworkDefinition,
  type NetworkObservation,
  networkDefinition,
  othersTurn,
} from 'kuke/plugin';
import { listCached } from '../../src/cni/cache.ts';
import type { Result } from '../../src/cni/result.ts';
import { listLinks } from '../../src/host/netlink/link.ts';
import { NetlinkSocket } from '../../src/host/netlink/socket.ts';
import { isPresent, toAttachment } from './attachment.ts';
import { readPorts } from './bridge.ts';
import { readInForce } from './enforced.ts';
import type { Host } from './host.ts';
import { listNamespaces } from './namespaces.ts';
import { conflistPath, markerOf, type Networks, readNetworks, type SpaceNetwork } from './space-network.ts';

export async function observeNetworks(
  host: Host,
  configPaths: readonly string[],
  recorded: readonly NetworkDefinition[],
  of: string | false = '',
): Promise<NetworkObservation> {
  const instance = await host.instance();
  const [networks, attachments] = await Promise.all([
    observeConflists(host, instance, configPaths, recorded),
    of === false ? { found: [], problems: [] } : observeAttachments(host, instance, of),
  ]);
  return {
    networks: networks.found,
    attachments: attachments.found,
    namespaces: listNamespaces(),
    problems: [...networks.problems, ...attachments.problems],
  };
}

type Problems = NetworkObservation['problems'];

async function observeConflists(
  host: Host,
  instance: string,
  configPaths: readonly string[],
  recorded: readonly NetworkDefinition[],
): Promise<{ found: NetworkObservation['networks']; problems: Problems }> {
  const networks = await readNetworks(configPaths);
  const { spaces, foreign, broken } = networks;
  const damaged = recorded.flatMap(network => {
    const why = damageOf(networks, instance, network);
    return why === undefined ? [] : [{ ...networkDefinition(network), damaged: why }];
  });
  const problems = [
    ...broken.map(({ path, message }) => ({ path, message })),
    ...foreign.flatMap(({ path, fault }) => (fault === undefined ? [] : [{ path, message: `${path}: ${fault}` }])),
  ];
  if (spaces.length + damaged.length === 0) return { found: [], problems };
  const { isolates, publishes, surplus } = await readInForce(host, instance);
  const bridges = bridgeNames();
  const seen = (network: SpaceNetwork | NetworkDefinition, ours: boolean) => ({
    ...networkDefinition(network),
    ours,
    bridgeExists: bridges.has(network.bridge),
    enforced: ours && isolates(network) && publishes(network.name),
    ...(surplus(network.bridge) && { surplus: true }),
  });
  const found = [
    ...spaces.map(network => seen(network, network.instance === instance)),
    ...damaged.map(network => ({ ...seen(network, true), damaged: network.damaged })),
  ];
  return { found, problems };
}

/** Why a recorded network's conflist says nothing of use; undefined where it does, and where there is none. */
function damageOf({ spaces, foreign, broken }: Networks, instance: string, network: NetworkDefinition) {
  const path = conflistPath(network);
  const unreadable = broken.find(one => one.path === path);
  if (unreadable !== undefined) return unreadable.message;
  const other = [...foreign, ...spaces.filter(one => one.instance !== instance)].find(one => one.path === path);
  if (other === undefined) return undefined;
  const fault = 'fault' in other ? other.fault : undefined;
  return `${path}: ${fault ?? "it does not carry this installation's mark for the space any more"}`;
}

function bridgeNames(): Set<string> {
  using socket = new NetlinkSocket('route');
  return new Set(
    listLinks(socket)
      .filter(({ kind }) => kind === 'bridge')
      .map(({ name }) => name),
  );
}

async function observeAttachments(
  { results }: Host,
  instance: string,
  of: string,
): Promise<{ found: NetworkObservation['attachments']; problems: Problems }> {
  const { attachments, broken } = listCached(results, name => name.includes(of));
  const problems = broken.map(({ path, message }) => ({ path, message }));
  const isPort = readPorts(instance);
  const ours = attachments.filter(
    ({ config, containerId }) => containerId.startsWith(of) && markerOf(config)?.instance === instance,
  );
  const found: NetworkObservation['attachments'] = [];
  for (const { network: name, containerId, ifName, netns = '', config, result, capabilityArgs } of ours) {
    if (result === undefined) continue;
    await othersTurn();
    const request = { name, attachmentId: containerId, netns, interface: ifName };
    const made = attachmentOf(request, result, capabilityArgs);
    const present = made.addresses.length > 0 && isPresent(netns, made, inside => isPort(config, inside));
    found.push({ ...made, netns, present });
  }
  return { found, problems };
}

/** A result without an address is of no use: it counts as an attachment that is not there, and so gets detached. */
function attachmentOf(request: DetachRequest, result: Result, capabilityArgs: object): Attachment {
  const { name: network, interface: ifName, attachmentId } = request;
  try {
    return toAttachment(request, result, capabilityArgs);
  } catch {
    return { network, interface: ifName, addresses: [], attachmentId };
  }
}
