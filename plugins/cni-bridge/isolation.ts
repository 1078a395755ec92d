/**
 * The rules that keep spaces apart (spec.md §4), as data: a section of the table, whose sets hold the bridges and their ranges, so that
 * the cost of a packet does not grow with the spaces. docs/networking.md has a picture of it, and says what each rule is for. What leaves
 * the host is masqueraded here too, by range: what the plugins add for that with each attachment is gone once somebody has flushed it.
 */
import { INET, type Section } from '../../src/cni/ruleset.ts';
import type { TableContent } from '../../src/host/nftables/list.ts';
import {
  chain,
  type Element,
  type Elements,
  elements,
  type NamedSet,
  type Rule,
  rule,
  set,
} from '../../src/host/nftables/object.ts';
import { difference } from '../../src/host/nftables/reconcile.ts';
import type { Selector } from '../../src/host/nftables/selector.ts';
import { accept, drop, inSet, masquerade, match, notInSet, type Statement } from '../../src/host/nftables/statement.ts';
import { disjoint, holds, isIpv6, networkOf } from './ip-range.ts';

/** A bridge that is kept apart from the others. */
export interface Isolated {
  bridge: string;
  network: string;
  /** What its cells and the host's end of it may have for addresses: `10.88.0.0/16`, IPv4 and IPv6, none in another. */
  ranges: string[];
  /** The ranges that are masqueraded. */
  masqueraded: string[];
}

/** What of a network matters here. */
interface Described {
  name: string;
  bridge: string;
  /** Addresses of the bridge. */
  gateways: string[];
  ranges: string[];
  /** All ranges when absent. */
  masqueraded?: string[];
}

/** A network as one is defined. */
interface Defined {
  name: string;
  bridge: string;
  subnet: string;
  gateway: string;
  subnet6?: string;
  gateway6?: string;
}

/** Of a conflist, or of the definition by which one will be written. */
export function memberOf(network: Described | Defined): Isolated {
  const { name, bridge, gateways, ranges, masqueraded = ranges } = 'ranges' in network ? network : described(network);
  return { bridge, network: name, ranges: apart([...ranges, ...gateways]), masqueraded: apart(masqueraded) };
}

function described({ name, bridge, subnet, gateway, subnet6, gateway6 }: Defined): Described {
  const both = (one: string, other: string | undefined) => (other === undefined ? [one] : [one, other]);
  return { name, bridge, ranges: both(subnet, subnet6), gateways: both(gateway, gateway6) };
}

/** As prefixes, each family sorted and without overlap. */
function apart(ranges: readonly string[]): string[] {
  const prefixes = ranges.map(networkOf);
  return [false, true].flatMap(v6 => disjoint(prefixes.filter(range => isIpv6(range) === v6)));
}

const bridges = set(INET, 'space_bridges', ['ifname']);
const pairs = set(INET, 'space_pairs', ['ifname', 'ifname']);

interface Family {
  v6: boolean;
  source: Selector;
  destination: Selector;
  /** Of each bridge, the ranges on it. */
  own: NamedSet;
  /** The ranges of all. */
  all: NamedSet;
  masqueraded: NamedSet;
  /** Sources that say nothing yet of who sends. */
  unsaid: Statement[];
}

const V4: Family = {
  v6: false,
  source: 'ip saddr',
  destination: 'ip daddr',
  own: set(INET, 'space_ranges', ['ifname', 'ipv4_addr'], { interval: true }),
  all: set(INET, 'space_all', ['ipv4_addr'], { interval: true }),
  masqueraded: set(INET, 'space_masqueraded', ['ipv4_addr'], { interval: true }),
  unsaid: [match('ip saddr', '!=', '0.0.0.0')],
};

const V6: Family = {
  v6: true,
  source: 'ip6 saddr',
  destination: 'ip6 daddr',
  own: set(INET, 'space_ranges6', ['ifname', 'ipv6_addr'], { interval: true }),
  all: set(INET, 'space_all6', ['ipv6_addr'], { interval: true }),
  masqueraded: set(INET, 'space_masqueraded6', ['ipv6_addr'], { interval: true }),
  unsaid: [match('ip6 saddr', '!=', 'fe80::/10'), match('ip6 saddr', '!=', '::')],
};

const FAMILIES = [V4, V6];

/** The section; its chains carry the installation's id. */
export function isolationSection(instance: string): Section {
  const section = sections.get(instance) ?? sectionOf(instance);
  sections.set(instance, section);
  return section;
}

const sections = new Map<string, Section>();

function sectionOf(instance: string): Section {
  const base = { type: 'filter', priority: 0, policy: 'accept' } as const;
  const forward = chain(INET, 'space_forward', { ...base, hook: 'forward' }, instance);
  const input = chain(INET, 'space_input', { ...base, hook: 'input' }, instance);
  const leaving = { type: 'nat', hook: 'postrouting', priority: 100, policy: 'accept' } as const;
  const postrouting = chain(INET, 'space_postrouting', leaving, instance);
  const fromSpace = inSet('iifname', bridges.set);
  const rules: Rule[] = [
    rule(forward, [inSet(['iifname', 'oifname'], pairs.set), accept()], 'within a space'),
    rule(forward, [fromSpace, inSet('oifname', bridges.set), drop()], 'from space to space'),
    ...FAMILIES.map(({ source, own }) =>
      rule(forward, [fromSpace, notInSet(['iifname', source], own.set), drop()], 'from an address of others'),
    ),
    ...FAMILIES.map(({ source, own, unsaid }) =>
      rule(input, [fromSpace, ...unsaid, notInSet(['iifname', source], own.set), drop()], 'from an address of others'),
    ),
    ...FAMILIES.flatMap(({ destination, own, all }) => [
      rule(input, [inSet(['iifname', destination], own.set), accept()], "to the space's own gateway"),
      rule(input, [fromSpace, inSet(destination, all.set), drop()], "to another's gateway"),
    ]),
    // Somebody who publishes ports on 127.0.0.1 lets such packets in (route_localnet).
    rule(
      input,
      [fromSpace, match('ip daddr', '127.0.0.0/8'), match('ct state', 'invalid,new,untracked'), drop()],
      "to the host's loopback",
    ),
    // Not the host's own talk with a gateway's address, either, which goes by `lo`.
    ...FAMILIES.map(({ source, masqueraded }) =>
      rule(
        postrouting,
        [inSet(source, masqueraded.set), notInSet('oifname', bridges.set), match('oifname', '!=', 'lo'), masquerade()],
        'out of a space',
      ),
    ),
  ];
  const sets = [bridges, pairs, ...FAMILIES.flatMap(({ own, all, masqueraded }) => [own, all, masqueraded])];
  return { table: INET, chains: [forward, input, postrouting], sets, rules };
}

/** What the section's sets hold for these bridges. */
export function isolated(members: readonly Isolated[]): Elements[] {
  const marked = ({ network }: Isolated, ...key: string[]): Element => ({ key, comment: networkLabel(network) });
  const each = (list: NamedSet, keyOf: (member: Isolated) => string[][]) =>
    elements(
      list,
      members.flatMap(member => keyOf(member).map(key => marked(member, ...key))),
    );
  return [
    each(bridges, ({ bridge }) => [[bridge]]),
    each(pairs, ({ bridge }) => [[bridge, bridge]]),
    ...FAMILIES.flatMap(({ v6, own, all, masqueraded }) => {
      const ofFamily = (ranges: readonly string[]) => ranges.filter(range => isIpv6(range) === v6);
      return [
        each(own, ({ bridge, ranges }) => ofFamily(ranges).map(range => [bridge, range])),
        elements(
          all,
          together(members, ({ ranges }) => ofFamily(ranges)),
        ),
        elements(
          masqueraded,
          together(members, one => ofFamily(one.masqueraded)),
        ),
      ];
    }),
  ];
}

/** Ranges of several networks without overlap, each with the label of the first network that has it. */
export function together(members: readonly Isolated[], rangesOf: (member: Isolated) => readonly string[]): Element[] {
  const networks = new Map(members.toReversed().flatMap(member => rangesOf(member).map(one => [one, member.network])));
  return disjoint([...networks.keys()]).map(range => ({
    key: [range],
    comment: networkLabel(networks.get(range) ?? ''),
  }));
}

/** The bridges that a section knows. */
export function membersOf({ sets }: Pick<TableContent, 'sets'>): Isolated[] {
  const listed = (one: NamedSet) => sets.find(({ set: { set: name } }) => name === one.set)?.elements ?? [];
  const ranges = FAMILIES.flatMap(({ own }) => listed(own));
  const masqueraded = FAMILIES.flatMap(one => listed(one.masqueraded));
  return listed(bridges).map(({ key: [bridge = ''], comment = '' }) => ({
    bridge,
    network: comment,
    ranges: apart(ranges.flatMap(({ key: [of, range = ''] }) => (of === bridge ? [range] : []))),
    masqueraded: apart(masqueraded.flatMap(({ key: [range = ''], comment: of }) => (of === comment ? [range] : []))),
  }));
}

/** Whether nothing is missing or changed in what there is of the section, whichever bridges it knows. */
export function isWhole(instance: string, present: TableContent): boolean {
  const section = isolationSection(instance);
  return difference({ ...section, sets: isolated(membersOf(present)) }, present).length === 0;
}

/** A range may also be within that of another network, which masquerades it. */
export function isMember(members: readonly Isolated[], { bridge, ranges, masqueraded }: Isolated): boolean {
  const known = members.find(one => one.bridge === bridge);
  if (known === undefined || known.ranges.join() !== ranges.join()) return false;
  if (!known.masqueraded.every(one => masqueraded.includes(one))) return false;
  const isMasqueraded = (range: string) => members.some(other => other.masqueraded.some(wider => holds(wider, range)));
  return masqueraded.every(isMasqueraded);
}

/** Of a network's name: what fits into a comment of nft, whatever its length. */
export function networkLabel(network: string): string {
  if (network.length <= 120) return network;
  return `${network.slice(0, 103)}-${new Bun.CryptoHasher('sha256').update(network).digest('hex').slice(0, 16)}`;
}
