/** Name, bridge and range of a space's network: read back if it exists, else chosen so that they are nobody else's (spec.md §4). */
import { KukeError, type NetworkBackend, type NetworkChoice, type NetworkDefinition } from 'kuke/plugin';
import { parsePrefix } from '../../src/host/netlink/inet.ts';
import { allNetworks, type Host } from './host.ts';
import { firstHost, networkOf } from './ip-range.ts';
import { bridgeName, networkName } from './names.ts';
import { conflistPath, DEFAULT_CONFIG_PATH, definitionOf, type Networks, type SpaceNetwork } from './space-network.ts';
import { takerOf, type UsedRange, usedRanges } from './used-ranges.ts';

type Request = Parameters<NetworkBackend['choose']>[0];

const FIRST_RANGE = '10.88.0.0/16';

/** The /20s of 10.89.0.0–10.127.255.255, in order. */
const POOL = Array.from({ length: 39 * 16 }, (_, i) => `10.${89 + (i >> 4)}.${(i & 15) << 4}.0/20`);

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
  const used = await usedRanges(networks, bridge);
  const isFirst = realm === 'main' && space === 'default';
  const { subnet, notes } = request.subnet === undefined ? freeRange(isFirst, used) : asked(request.subnet, used);
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

function asked(subnet: string, used: readonly UsedRange[]): { subnet: string; notes: string[] } {
  checkRange(subnet);
  const taker = takerOf(subnet, used);
  if (taker !== undefined) {
    throw new KukeError('Conflict', `${subnet} overlaps ${taker.range}, which is in use: ${taker.by}`, {
      field: 'spec.network.subnet',
      remedy: 'take another range, or leave spec.network.subnet out',
    });
  }
  return { subnet, notes: [] };
}

function freeRange(isFirst: boolean, used: readonly UsedRange[]): { subnet: string; notes: string[] } {
  const taker = takerOf(FIRST_RANGE, used);
  if (isFirst && taker === undefined) return { subnet: FIRST_RANGE, notes: [] };
  const subnet = POOL.find(range => takerOf(range, used) === undefined);
  if (subnet === undefined) {
    const wide = POOL.map(range => takerOf(range, used)?.by).find(by => by !== undefined);
    throw new KukeError('NetworkFailed', `no range of 10.89.0.0-10.127.255.255 is free (in use: ${wide}, ...)`, {
      remedy: 'name a free range of yours in spec.network.subnet',
    });
  }
  const why = taker && `main/default takes ${subnet}: ${FIRST_RANGE} overlaps ${taker.range}, in use: ${taker.by}`;
  return { subnet, notes: isFirst && why !== undefined ? [why] : [] };
}

/** Throws InvalidManifest for what is no IPv4 range with room for a gateway and a cell. */
function checkRange(subnet: string): void {
  const fault = rangeFault(subnet);
  if (fault === undefined) return;
  throw new KukeError('InvalidManifest', `${subnet} ${fault}`, {
    field: 'spec.network.subnet',
    remedy: 'give an IPv4 range such as 10.90.0.0/20',
  });
}

function rangeFault(subnet: string): string | undefined {
  if (!/^[\d.]+\/\d+$/.test(subnet)) return 'is no IPv4 range';
  let address: Uint8Array;
  let length: number;
  try {
    ({ address, length } = parsePrefix(subnet));
  } catch {
    return 'is no IPv4 range';
  }
  if (length > 30) return 'has no room for a gateway and a cell';
  if (length < 8) return 'is more than a space may have (a /8)';
  if (networkOf(subnet) !== subnet) return `has host bits; the range is ${networkOf(subnet)}`;
  const [first = 0] = address;
  if (first === 0 || first === 127 || first >= 224) return 'is no range for hosts';
  return undefined;
}
