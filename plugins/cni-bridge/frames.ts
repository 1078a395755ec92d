/**
 * The rules that keep spaces apart where no packet passes the host (spec.md §4): what goes from port to port of one bridge is seen in a
 * table of the family bridge alone. A cell that is in two spaces would answer in the one what it is asked in the other under the addresses
 * of that. docs/networking.md has a picture of them. A port is known by its group (`ip link set PORT group N`), which is the bridge's: not
 * every kernel can tell there which bridge a port is of.
 */
import { BRIDGE, type Section } from '../../src/cni/ruleset.ts';
import type { TableContent } from '../../src/host/nftables/list.ts';
import { chain, type Elements, elements, rule, set } from '../../src/host/nftables/object.ts';
import { difference } from '../../src/host/nftables/reconcile.ts';
import type { Selector } from '../../src/host/nftables/selector.ts';
import { accept, drop, inSet, match, notInSet } from '../../src/host/nftables/statement.ts';
import { isIpv6 } from './ip-range.ts';
import { type Isolated, networkLabel, together } from './isolation.ts';

/** Numbers of groups for bridges of spaces. From 0x2000_0000 up are those of links that are about to go (link-removal.ts, device.ts). */
const FIRST_GROUP = 0x1000_0000;
const LAST_GROUP = 0x1fff_ffff;

/** Of a bridge and its ports: the same for a name each time; of two names in 2 ** 28 the same, of which one is refused (choose.ts). */
export function groupOf(bridge: string): number {
  const digest = new Bun.CryptoHasher('sha256').update(bridge).digest();
  return FIRST_GROUP + (digest.readUInt32BE() % (LAST_GROUP - FIRST_GROUP + 1));
}

/** The same for `$bridge` in a shell. */
export const GROUP = '$((0x10000000 + 0x$(printf %s "$bridge" | sha256sum | cut -c1-8) % 0x10000000))';

const FAMILIES = [
  {
    v6: false,
    own: set(BRIDGE, 'space_ranges', ['devgroup', 'ipv4_addr'], { interval: true }),
    all: set(BRIDGE, 'space_all', ['ipv4_addr'], { interval: true }),
    addresses: ['ip saddr', 'ip daddr', 'arp saddr ip', 'arp daddr ip'],
  },
  {
    v6: true,
    own: set(BRIDGE, 'space_ranges6', ['devgroup', 'ipv6_addr'], { interval: true }),
    all: set(BRIDGE, 'space_all6', ['ipv6_addr'], { interval: true }),
    // By neighbour discovery an interface answers for its own addresses alone.
    addresses: ['ip6 saddr', 'ip6 daddr'],
  },
] as const;

const WHY: Readonly<Partial<Record<Selector, string>>> = {
  'ip saddr': 'from another space',
  'ip6 saddr': 'from another space',
  'arp saddr ip': 'ARP of another space',
  'arp daddr ip': 'ARP for another space',
};

/** The section; its chain carries the installation's id. */
export function framesSection(instance: string): Section {
  const section = sections.get(instance) ?? sectionOf(instance);
  sections.set(instance, section);
  return section;
}

const sections = new Map<string, Section>();

function sectionOf(instance: string): Section {
  const base = { type: 'filter', hook: 'prerouting', priority: -299, policy: 'accept' } as const;
  const frames = chain(BRIDGE, 'space_frames', base, instance);
  const rules = FAMILIES.flatMap(({ own, all, addresses }) =>
    addresses.map(address =>
      rule(
        frames,
        [notInSet(['iifgroup', address], own.set), inSet(address, all.set), drop()],
        WHY[address] ?? 'to another space',
      ),
    ),
  );
  const others = rule(frames, [match('iifgroup', '!=', `${FIRST_GROUP}-${LAST_GROUP}`), accept()], "others' ports");
  return {
    table: BRIDGE,
    chains: [frames],
    sets: FAMILIES.flatMap(({ own, all }) => [own, all]),
    rules: [others, ...rules],
  };
}

/** What the section's sets hold for these bridges. */
export function framesOf(members: readonly Isolated[]): Elements[] {
  return FAMILIES.flatMap(({ v6, own, all }) => {
    const ofFamily = ({ ranges }: Isolated) => ranges.filter(range => isIpv6(range) === v6);
    const keyed = members.flatMap(one =>
      ofFamily(one).map(range => ({
        key: [String(groupOf(one.bridge)), range],
        comment: networkLabel(one.network),
      })),
    );
    return [elements(own, keyed), elements(all, together(members, ofFamily))];
  });
}

/** Whether the section is there as it should be for exactly these bridges. */
export function seesFrames(instance: string, members: readonly Isolated[], present: TableContent | undefined): boolean {
  return difference({ ...framesSection(instance), sets: framesOf(members) }, present).length === 0;
}
