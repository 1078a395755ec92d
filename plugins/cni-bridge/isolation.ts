/**
 * The rules that keep spaces apart (spec.md §4), as data: one table, whose sets hold the bridges and their addresses, so that the cost of
 * a packet does not grow with the spaces. Two bridges of one host route to each other as soon as it forwards; and the host answers on
 * the gateway address of any bridge, whichever a packet came in by, which takes a rule of its own for input. What leaves the host is
 * masqueraded here too: the reference plugin makes its rules for that at the ADD, and never again once somebody has flushed them.
 */
import type { NetworkDefinition } from 'kuke/plugin';
import type { TableContent } from '../../src/host/nftables/list.ts';
import {
  type Chain,
  chain,
  type Element,
  elements,
  type NamedSet,
  rule,
  set,
  type Table,
  table,
} from '../../src/host/nftables/object.ts';
import { difference } from '../../src/host/nftables/reconcile.ts';
import { accept, drop, inSet, masquerade, match, notInSet } from '../../src/host/nftables/statement.ts';
import { disjoint, holds, isIpv6 } from './ip-range.ts';
import type { SpaceNetwork } from './space-network.ts';

/** A bridge that is kept apart from the others. */
export interface Isolated {
  bridge: string;
  /** Addresses of the bridge, IPv4 and IPv6. */
  gateways: string[];
  /** Those that are masqueraded, `10.88.0.0/16`. */
  ranges: string[];
  network: string;
}

/** As a conflist has it, or as one will be written for a definition. */
export function memberOf(
  network: Pick<NetworkDefinition, 'bridge' | 'name' | 'gateway' | 'subnet'> & Partial<SpaceNetwork>,
): Isolated {
  const { bridge, name, gateways = [network.gateway], masqueraded = [network.subnet] } = network;
  return { bridge, gateways, ranges: masqueraded, network: name };
}

/** The table, whose comment is the installation's id. */
export function isolationTable(instance: string): Table {
  return table('inet', 'kukeon', instance);
}

/** The whole table for these bridges. */
export function isolation(instance: string, members: readonly Isolated[]): TableContent {
  const own = isolationTable(instance);
  const { forward, input, postrouting, bridges, pairs, byFamily } = objectsOf(own);
  const marked = (bridge: Isolated, ...key: string[]): Element => ({ key, comment: networkLabel(bridge.network) });
  const addressElements = byFamily.flatMap(({ v6, reached, foreign, ranges }) => {
    const addresses = members.flatMap(member =>
      member.gateways.filter(gateway => isIpv6(gateway) === v6).map(gateway => ({ member, gateway })),
    );
    const all = [...new Set(addresses.map(({ gateway }) => gateway))];
    return [
      elements(
        reached,
        addresses.map(({ member, gateway }) => marked(member, member.bridge, gateway)),
      ),
      elements(
        foreign,
        all.map(gateway => ({ key: [gateway] })),
      ),
      elements(ranges, rangeElements(members, v6)),
    ];
  });
  return {
    table: own,
    chains: [forward, input, postrouting],
    sets: [
      elements(
        bridges,
        members.map(member => marked(member, member.bridge)),
      ),
      elements(
        pairs,
        members.map(member => marked(member, member.bridge, member.bridge)),
      ),
      ...addressElements,
    ],
    rules: [
      rule(forward, [inSet(['iifname', 'oifname'], pairs.set), accept()], 'within a space'),
      rule(forward, [inSet('iifname', bridges.set), inSet('oifname', bridges.set), drop()], 'from space to space'),
      ...byFamily.flatMap(({ address, reached, foreign }) => [
        rule(input, [inSet(['iifname', address], reached.set), accept()], "to the space's own gateway"),
        rule(input, [inSet('iifname', bridges.set), inSet(address, foreign.set), drop()], "to another's gateway"),
      ]),
      ...byFamily.map(({ source, ranges }) =>
        rule(postrouting, [inSet(source, ranges.set), ...leavesHost(bridges), masquerade()], 'out of a space'),
      ),
    ],
  };
}

/** Not the host's own talk with a gateway's address, either, which goes by `lo`. */
const leavesHost = (bridges: NamedSet) => [notInSet('oifname', bridges.set), match('oifname', '!=', 'lo')];

function rangeElements(members: readonly Isolated[], v6: boolean): Element[] {
  const labels = new Map(members.toReversed().flatMap(({ ranges, network }) => ranges.map(one => [one, network])));
  const wanted = [...labels.keys()].filter(range => isIpv6(range) === v6);
  return disjoint(wanted).map(range => ({ key: [range], comment: networkLabel(labels.get(range) ?? '') }));
}

/** The bridges that a table of ours knows. */
export function membersOf({ sets }: TableContent): Isolated[] {
  const listed = (name: string) => sets.find(({ set }) => set.set === name)?.elements ?? [];
  const addresses = [...listed('own_gateways'), ...listed('own_gateways6')];
  const ranges = [...listed('ranges'), ...listed('ranges6')];
  return listed('bridges').map(({ key: [bridge = ''], comment = '' }) => ({
    bridge,
    network: comment,
    gateways: addresses.filter(({ key }) => key[0] === bridge).map(({ key }) => key[1] ?? ''),
    ranges: ranges.filter(one => one.comment === comment).map(({ key }) => key[0] ?? ''),
  }));
}

/** Whether nothing is missing or changed in a table of ours, whichever bridges it knows. */
export function isWhole(instance: string, present: TableContent): boolean {
  return difference(isolation(instance, membersOf(present)), present).length === 0;
}

/** A range may also be within that of another network, which masquerades it. */
export function isMember(members: readonly Isolated[], { bridge, gateways, ranges }: Isolated): boolean {
  const known = members.find(one => one.bridge === bridge);
  if (known === undefined || !gateways.every(one => known.gateways.includes(one))) return false;
  if (!known.ranges.every(one => ranges.includes(one))) return false;
  const isMasqueraded = (range: string) => members.some(other => other.ranges.some(wider => holds(wider, range)));
  return ranges.every(one => known.ranges.includes(one) || isMasqueraded(one));
}

/** Of a network's name: what fits into a comment of nft, whatever its length. */
export function networkLabel(network: string): string {
  if (network.length <= 120) return network;
  return `${network.slice(0, 103)}-${new Bun.CryptoHasher('sha256').update(network).digest('hex').slice(0, 16)}`;
}

interface Objects {
  forward: Chain;
  input: Chain;
  postrouting: Chain;
  bridges: NamedSet;
  pairs: NamedSet;
  byFamily: {
    v6: boolean;
    address: 'ip daddr' | 'ip6 daddr';
    source: 'ip saddr' | 'ip6 saddr';
    reached: NamedSet;
    foreign: NamedSet;
    ranges: NamedSet;
  }[];
}

function objectsOf(own: Table): Objects {
  const base = { type: 'filter', priority: 0, policy: 'accept' } as const;
  return {
    forward: chain(own, 'forward', { ...base, hook: 'forward' }),
    input: chain(own, 'input', { ...base, hook: 'input' }),
    postrouting: chain(own, 'postrouting', { type: 'nat', hook: 'postrouting', priority: 100, policy: 'accept' }),
    bridges: set(own, 'bridges', ['ifname']),
    pairs: set(own, 'pairs', ['ifname', 'ifname']),
    byFamily: [
      {
        v6: false,
        address: 'ip daddr',
        source: 'ip saddr',
        reached: set(own, 'own_gateways', ['ifname', 'ipv4_addr']),
        foreign: set(own, 'gateways', ['ipv4_addr']),
        ranges: set(own, 'ranges', ['ipv4_addr'], { interval: true }),
      },
      {
        v6: true,
        address: 'ip6 daddr',
        source: 'ip6 saddr',
        reached: set(own, 'own_gateways6', ['ifname', 'ipv6_addr']),
        foreign: set(own, 'gateways6', ['ipv6_addr']),
        ranges: set(own, 'ranges6', ['ipv6_addr'], { interval: true }),
      },
    ],
  };
}
