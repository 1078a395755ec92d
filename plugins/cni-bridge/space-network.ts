/** A space's network as a conflist with our marker, and conflists read back (spec.md §4). Theirs are read for the ranges in them. */
import { basename, join } from 'node:path';
import type { NetworkDefinition } from 'kuke/plugin';
import * as v from 'valibot';
import type { NetworkConfig } from '../../src/cni/config.ts';
import { type ConflistError, type ConflistFile, readConflists } from '../../src/cni/conflist.ts';
import type { JsonObject } from '../../src/cni/json.ts';
import { parsePrefix } from '../../src/host/netlink/inet.ts';
import { firstHost, isIpv6, networkOf } from './ip-range.ts';

export const DEFAULT_CONFIG_PATH = '/etc/cni/net.d';

/** Debian's reference plugins refuse 1.1.0. */
const CNI_VERSION = '1.0.0';

/** The top-level key `kukeon`: whose network it is. */
const markerSchema = v.object({ instance: v.string(), realm: v.string(), space: v.string() });

export type Marker = v.InferOutput<typeof markerSchema>;

/** A conflist that carries a marker, this installation's or another's. */
export interface SpaceNetwork extends NetworkDefinition {
  path: string;
  instance: string;
  config: NetworkConfig;
  /** Of all addresses that it gives, IPv4 and IPv6. */
  ranges: string[];
  /** Addresses of the bridge, one for each range. */
  gateways: string[];
  /** The ranges whose addresses do not leave the host as they are (`ipMasq`). */
  masqueraded: string[];
}

/** A conflist without a marker, or with one that says nothing usable. */
export interface ForeignNetwork {
  path: string;
  name: string;
  ranges: string[];
  /** Why it is not a space's although it carries the marker. */
  fault?: string;
}

export interface Networks {
  spaces: SpaceNetwork[];
  foreign: ForeignNetwork[];
  broken: ConflistError[];
}

export function conflistPath({ configPath, name }: Pick<NetworkDefinition, 'configPath' | 'name'>): string {
  return join(configPath, `${name}.conflist`);
}

/** The conflist of a space; any CNI runtime can use it as it stands. */
export function conflistOf(definition: NetworkDefinition, instance: string): JsonObject {
  const { realm, space, name, bridge, subnet, gateway, subnet6, gateway6 } = definition;
  const ranges = [[{ subnet, gateway }], ...(subnet6 ? [[{ subnet: subnet6, gateway: gateway6 }]] : [])];
  const routes = [{ dst: '0.0.0.0/0' }, ...(subnet6 ? [{ dst: '::/0' }] : [])];
  const ipam = { type: 'host-local', ranges, routes };
  return {
    cniVersion: CNI_VERSION,
    name,
    kukeon: { instance, realm, space } satisfies Marker,
    plugins: [
      // With hairpinMode a cell reaches a port that it publishes itself.
      { type: 'bridge', bridge, isGateway: true, ipMasq: true, hairpinMode: true, capabilities: { ips: true }, ipam },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}

/** The marker of a network's configuration, also of one in the result cache. */
export function markerOf({ json }: NetworkConfig): Marker | undefined {
  const parsed = v.safeParse(markerSchema, json.kukeon);
  return parsed.success ? parsed.output : undefined;
}

/** Every network in these folders; a folder that is not there is an empty one. */
export async function readNetworks(folders: Iterable<string>): Promise<Networks> {
  const networks: Networks = { spaces: [], foreign: [], broken: [] };
  for (const folder of new Set(folders)) {
    const { files, broken } = await readConflists(folder);
    networks.broken.push(...broken);
    for (const file of files) {
      const understood = understandConflist(folder, file);
      if ('instance' in understood) networks.spaces.push(understood);
      else networks.foreign.push(understood);
    }
  }
  return networks;
}

export function understandConflist(folder: string, { path, network }: ConflistFile): SpaceNetwork | ForeignNetwork {
  const { name } = network;
  const ranges = rangesOf(network);
  const foreign = { path, name, ranges: ranges.map(range => range.subnet) };
  const marker = markerOf(network);
  if (marker === undefined) return foreign;
  if (basename(path) !== `${name}.conflist`) {
    return { ...foreign, fault: `its file name and the network's name, ${name}, differ` };
  }
  const bridge = bridgeOf(network);
  const range = ranges.find(({ subnet }) => !isIpv6(subnet));
  if (bridge === undefined || range === undefined) {
    return { ...foreign, fault: 'it carries the marker of kuke, but names no bridge with an IPv4 range' };
  }
  const { instance, realm, space } = marker;
  const gateways = ranges.map(({ gateway }) => gateway);
  const masquerading = network.plugins.filter(({ json }) => json.type === 'bridge' && json.ipMasq === true);
  const masqueraded = [...new Set(rangesOf({ plugins: masquerading }).map(({ subnet }) => subnet))];
  const range6 = ranges.find(({ subnet }) => isIpv6(subnet));
  const ipv6 = range6 && { subnet6: range6.subnet, gateway6: range6.gateway };
  const definition = { realm, space, name, configPath: folder, bridge, ...range, ...ipv6 };
  return { ...definition, path, instance, config: network, ranges: foreign.ranges, gateways, masqueraded };
}

const isRange = (text: string): boolean => {
  try {
    return parsePrefix(text).length < 128;
  } catch {
    return false;
  }
};
const rangeSchema = v.object({ subnet: v.pipe(v.string(), v.check(isRange)), gateway: v.optional(v.string()) });
const bridgeSchema = v.object({ type: v.literal('bridge'), bridge: v.string() });
// host-local's own shapes: a single range of old, and sets of ranges.
const ipamSchema = v.object({
  ipam: v.union([v.object({ ranges: v.array(v.array(rangeSchema)) }), rangeSchema]),
});

/** The bridge that a network's configuration names, also one in the result cache. */
export function bridgeOf({ plugins }: NetworkConfig): string | undefined {
  return plugins.map(({ json }) => v.safeParse(bridgeSchema, json)).find(parsed => parsed.success)?.output.bridge;
}

function rangesOf({ plugins }: Pick<NetworkConfig, 'plugins'>): { subnet: string; gateway: string }[] {
  return plugins.flatMap(({ json }) => {
    const parsed = v.safeParse(ipamSchema, json);
    if (!parsed.success) return [];
    const { ipam } = parsed.output;
    const ranges = 'ranges' in ipam ? ipam.ranges.flat() : [ipam];
    return ranges.map(({ subnet, gateway }) => ({
      subnet: networkOf(subnet),
      gateway: gateway ?? firstHost(subnet),
    }));
  });
}
