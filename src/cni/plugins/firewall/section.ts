/** What the firewall plugin has in the table: who is attached to which bridge, and what may pass between bridges that have a policy. */
import {
  chain,
  type Element,
  type Elements,
  elements,
  map,
  type NamedSet,
  rule,
  set,
} from '../../../host/nftables/object.ts';
import { drop, inSet, verdictMap } from '../../../host/nftables/statement.ts';
import { INET, type Section } from '../../ruleset.ts';
import type { IngressPolicy } from './config.ts';

/** What is known of an attachment. */
export interface Attached {
  /** The bridge, or whatever else on the host it is reached by. */
  by: string;
  /** `10.88.0.5`, IPv4 and IPv6. */
  addresses: string[];
  policy: IngressPolicy;
  label: string;
}

const forward = chain(INET, 'firewall_forward', { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' });
const attached = set(INET, 'firewall_attached', ['ifname', 'ipv4_addr']);
const attached6 = set(INET, 'firewall_attached6', ['ifname', 'ipv6_addr']);
const bridges = set(INET, 'firewall_bridges', ['ifname']);
const pairs = map(INET, 'firewall_pairs', ['ifname', 'ifname'], 'verdict');

export const FIREWALL: Section = {
  table: INET,
  chains: [forward],
  sets: [attached, attached6, bridges, pairs],
  rules: [
    rule(forward, [verdictMap(['iifname', 'oifname'], pairs.set)], 'within a bridge'),
    rule(forward, [inSet('iifname', bridges.set), inSet('oifname', bridges.set), drop()], 'from bridge to bridge'),
  ],
};

/** The attachment's own elements; they carry its label. */
export function ownElements({ by, addresses, label }: Attached): Elements[] {
  return [attached, attached6].map(of =>
    elements(
      of,
      addresses
        .filter(address => address.includes(':') === (of === attached6))
        .map(address => ({ key: [by, address], comment: label })),
    ),
  );
}

/** Those that all attachments to a bridge have together. */
export function sharedElements({ by, policy }: Attached): Elements[] {
  if (policy === 'open') return [];
  const comment = `ingressPolicy ${policy}`;
  return [
    elements(bridges, [{ key: [by], comment }]),
    elements(pairs, [{ key: [by, by], data: policy === 'isolated' ? 'drop' : 'accept', comment }]),
  ];
}

/** The bridges that somebody is attached to whose label `isWanted` says yes to. */
export function bridgesIn(sets: readonly Elements[], isWanted: (label: string) => boolean): string[] {
  const own = sets.filter(({ set: { set: name } }) => name === attached.set || name === attached6.set);
  const names = own.flatMap(({ elements: list }) =>
    list.flatMap(({ key: [by = ''], comment = '' }) => (isWanted(comment) ? [by] : [])),
  );
  return [...new Set(names)].sort();
}

/** What goes with the attachments whose label `isGone` says yes to: what a bridge has, goes with its last one. */
export function goneWith(isGone: (label: string) => boolean) {
  return ({ key: [by = ''], comment = '' }: Element, of: NamedSet, all: readonly Elements[]): boolean => {
    if (of.set === attached.set || of.set === attached6.set) return isGone(comment);
    return !bridgesIn(all, label => !isGone(label)).includes(by);
  };
}
