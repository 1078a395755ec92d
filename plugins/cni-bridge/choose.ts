/** Name, bridge and range of a space's network: read back if it exists, else chosen so that they are nobody else's (spec.md §4). */
import {
  KukeError,
  type NetworkBackend,
  type NetworkChoice,
  type NetworkDefinition,
  networkDefinition,
} from 'kuke/plugin';
import { groupOf } from './frames.ts';
import { allNetworks, type Host } from './host.ts';
import { firstHost, isIpv6 } from './ip-range.ts';
import { bridgeName, networkName } from './names.ts';
import { conflistPath, DEFAULT_CONFIG_PATH, type Networks, type SpaceNetwork } from './space-network.ts';
import { chooseSubnet, requireUnused } from './subnets.ts';
import { uniqueLocalRange } from './unique-local.ts';
import { usedRanges } from './used-ranges.ts';

type Request = Parameters<NetworkBackend['choose']>[0];

export async function chooseNetwork(host: Host, request: Request): Promise<NetworkChoice> {
  const { realm, space, configPath = DEFAULT_CONFIG_PATH, recorded, besides = [] } = request;
  const instance = await host.instance();
  const networks = await allNetworks(host, configPath);
  const ours = networks.spaces.filter(network => network.instance === instance);
  const isOfPair = (one: { realm: string; space: string }) => one.realm === realm && one.space === space;
  const known = ours.find(isOfPair);
  if (known !== undefined) return readBack(known, request, configPath);

  const others = new Set([...ours, ...besides].map(network => network.name));
  const name = networkName(realm, space, candidate => others.has(candidate));
  if (recorded !== undefined && isOfPair(recorded) && !others.has(recorded.name)) {
    requireFree(networks, { ...recorded, configPath });
    return { ...networkDefinition(recorded), configPath, notes: [] };
  }
  requireFree(networks, { name, configPath });
  const bridge = bridgeName(realm, space);
  const holder = ours.find(network => network.bridge === bridge);
  if (holder !== undefined) {
    throw new KukeError('Conflict', `${holder.path} has the bridge ${bridge}, which is this space's`, {
      remedy: `give network ${holder.name} another bridge`,
    });
  }
  const twin = ours.find(network => groupOf(network.bridge) === groupOf(bridge));
  if (twin !== undefined) {
    const why = `its bridge ${bridge} would be in one group with ${twin.bridge} of network ${twin.name}, and nothing would keep their frames apart`;
    throw new KukeError('Conflict', why, { remedy: 'give the space another name' });
  }
  const isFirst = realm === 'main' && space === 'default';
  const { subnets = [], ipv6 = false } = request;
  const used = [...(await usedRanges(networks, bridge)), ...besides.flatMap(rangesOf)];
  const { subnet, notes } = chooseSubnet({ isFirst, asked: subnets.find(one => !isIpv6(one)) }, used);
  const asked6 = subnets.find(isIpv6);
  if (asked6 !== undefined) requireUnused(asked6, used);
  const subnet6 = asked6 ?? (ipv6 ? uniqueLocalRange({ instance, realm, space }, used) : undefined);
  const both = subnet6 === undefined ? {} : { subnet6, gateway6: firstHost(subnet6) };
  return { realm, space, name, configPath, bridge, subnet, gateway: firstHost(subnet), ...both, notes };
}

const rangesOf = ({ name, subnet, subnet6 }: NetworkDefinition) =>
  [subnet, subnet6].flatMap(range => (range === undefined ? [] : [{ range, by: `network ${name}` }]));

function readBack(known: SpaceNetwork, { subnets = [], ipv6 }: Request, configPath: string): NetworkChoice {
  if (known.configPath !== configPath) {
    throw new KukeError('Conflict', `the space's network is in ${known.path} already`, {
      remedy: 'remove that file if nothing is attached to the network any more',
    });
  }
  const has = [known.subnet, ...(known.subnet6 === undefined ? [] : [known.subnet6])];
  const isAsAsked = subnets.every(one => has.includes(one)) && (!ipv6 || known.subnet6 !== undefined);
  if (!isAsAsked) {
    throw new KukeError('Conflict', `network ${known.name} is on ${has.join(' and ')}, as ${known.path} says`, {
      field: 'spec.network',
      remedy: 'say these ranges, or delete the space and create it anew',
    });
  }
  return { ...networkDefinition(known), notes: [] };
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
