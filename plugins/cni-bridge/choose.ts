/** Name, bridge and range of a space's network: read back if it exists, else chosen so that they are nobody else's (spec.md §4). */
import { KukeError, type NetworkBackend, type NetworkChoice, type NetworkDefinition } from 'kuke/plugin';
import { allNetworks, type Host } from './host.ts';
import { firstHost } from './ip-range.ts';
import { bridgeName, networkName } from './names.ts';
import { conflistPath, DEFAULT_CONFIG_PATH, definitionOf, type Networks, type SpaceNetwork } from './space-network.ts';
import { chooseSubnet } from './subnets.ts';
import { usedRanges } from './used-ranges.ts';

type Request = Parameters<NetworkBackend['choose']>[0];

export async function chooseNetwork(host: Host, request: Request): Promise<NetworkChoice> {
  const { realm, space, configPath = DEFAULT_CONFIG_PATH, recorded } = request;
  const instance = await host.instance();
  const networks = await allNetworks(host, configPath);
  const ours = networks.spaces.filter(network => network.instance === instance);
  const isOfPair = (one: { realm: string; space: string }) => one.realm === realm && one.space === space;
  const known = ours.find(isOfPair);
  if (known !== undefined) return readBack(known, configPath, request.subnet);

  const others = new Map(ours.map(network => [network.name, network]));
  const name = networkName(realm, space, candidate => others.has(candidate));
  if (recorded !== undefined && isOfPair(recorded) && !others.has(recorded.name)) {
    requireFree(networks, { ...recorded, configPath });
    return { ...definitionOf(recorded), configPath, notes: [] };
  }
  requireFree(networks, { name, configPath });
  const bridge = bridgeName(realm, space);
  const holder = ours.find(network => network.bridge === bridge);
  if (holder !== undefined) {
    throw new KukeError('Conflict', `${holder.path} has the bridge ${bridge}, which is this space's`, {
      remedy: `give network ${holder.name} another bridge`,
    });
  }
  const isFirst = realm === 'main' && space === 'default';
  const { subnet, notes } = chooseSubnet({ isFirst, asked: request.subnet }, await usedRanges(networks, bridge));
  return { realm, space, name, configPath, bridge, subnet, gateway: firstHost(subnet), notes };
}

function readBack(known: SpaceNetwork, configPath: string, subnet: string | undefined): NetworkChoice {
  if (known.configPath !== configPath) {
    throw new KukeError('Conflict', `the space's network is in ${known.path} already`, {
      remedy: 'remove that file if nothing is attached to the network any more',
    });
  }
  const stays = `network ${known.name} stays on ${known.subnet}, as ${known.path} says`;
  return { ...definitionOf(known), notes: subnet === undefined || subnet === known.subnet ? [] : [stays] };
}

/** Throws Conflict where a file or network of that name is not this installation's. */
export function requireFree(
  { spaces, foreign, broken }: Networks,
  { name, configPath }: Pick<NetworkDefinition, 'name' | 'configPath'>,
): void {
  const path = conflistPath({ name, configPath });
  const unreadable = broken.find(error => error.path === path);
  const holder = [...foreign, ...spaces].find(network => network.name === name || network.path === path);
  if (unreadable === undefined && holder === undefined) return;
  const message = unreadable?.message ?? `${holder?.path} is a network ${name} that is not this installation's`;
  throw new KukeError('Conflict', message, {
    remedy: 'move that file away, or give the space another name; kuke does not overwrite what is not its own',
  });
}
