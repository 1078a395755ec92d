/**
 * The rules that keep spaces apart (spec.md §4), as data: one table, whose sets hold the bridges and their addresses, so that the cost of
 * a packet does not grow with the spaces. Two bridges of one host route to each other as soon as it forwards; and the host answers on
 * the gateway address of any bridge, whichever a packet came in by, which takes a rule of its own for input.
 */
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
import { accept, drop, inSet } from '../../src/host/nftables/statement.ts';
import { isIpv6 } from './ip-range.ts';

/** A bridge that is kept apart from the others. */
export interface Isolated {
  bridge: string;
  /** Addresses of the bridge, IPv4 and IPv6. */
  gateways: string[];
  network: string;
}

/** The table, whose comment is the installation's id. */
export function isolationTable(instance: string): Table {
  return table('inet', 'kukeon', instance);
}

/** The whole table for these bridges. */
export function isolation(instance: string, members: readonly Isolated[]): TableContent {
  const own = isolationTable(instance);
  const { forward, input, bridges, pairs, byFamily } = objectsOf(own);
  const marked = (bridge: Isolated, ...key: string[]): Element => ({ key, comment: networkLabel(bridge.network) });
  const addressElements = byFamily.flatMap(({ v6, reached, foreign }) => {
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
    ];
  });
  return {
    table: own,
    chains: [forward, input],
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
    ],
  };
}

/** The bridges that a table of ours knows. */
export function membersOf({ sets }: TableContent): Isolated[] {
  const listed = (name: string) => sets.find(({ set }) => set.set === name)?.elements ?? [];
  const addresses = [...listed('own_gateways'), ...listed('own_gateways6')];
  return listed('bridges').map(({ key: [bridge = ''], comment = '' }) => ({
    bridge,
    network: comment,
    gateways: addresses.filter(({ key }) => key[0] === bridge).map(({ key }) => key[1] ?? ''),
  }));
}

/** Whether nothing is missing or changed in a table of ours, whichever bridges it knows. */
export function isWhole(instance: string, present: TableContent): boolean {
  return difference(isolation(instance, membersOf(present)), present).length === 0;
}

export function isMember(members: readonly Isolated[], { bridge, gateways }: Isolated): boolean {
  return members.some(known => known.bridge === bridge && gateways.every(one => known.gateways.includes(one)));
}

/** Of a network's name: what fits into a comment of nft, whatever its length. */
export function networkLabel(network: string): string {
  if (network.length <= 120) return network;
  return `${network.slice(0, 103)}-${new Bun.CryptoHasher('sha256').update(network).digest('hex').slice(0, 16)}`;
}

interface Objects {
  forward: Chain;
  input: Chain;
  bridges: NamedSet;
  pairs: NamedSet;
  byFamily: { v6: boolean; address: 'ip daddr' | 'ip6 daddr'; reached: NamedSet; foreign: NamedSet }[];
}

function objectsOf(own: Table): Objects {
  const base = { type: 'filter', priority: 0, policy: 'accept' } as const;
  return {
    forward: chain(own, 'forward', { ...base, hook: 'forward' }),
    input: chain(own, 'input', { ...base, hook: 'input' }),
    bridges: set(own, 'bridges', ['ifname']),
    pairs: set(own, 'pairs', ['ifname', 'ifname']),
    byFamily: [
      {
        v6: false,
        address: 'ip daddr',
        reached: set(own, 'own_gateways', ['ifname', 'ipv4_addr']),
        foreign: set(own, 'gateways', ['ipv4_addr']),
      },
      {
        v6: true,
        address: 'ip6 daddr',
        reached: set(own, 'own_gateways6', ['ifname', 'ipv6_addr']),
        foreign: set(own, 'gateways6', ['ipv6_addr']),
      },
    ],
  };
}
