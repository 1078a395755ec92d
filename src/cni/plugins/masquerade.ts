/**
 * `ipMasq` (of bridge, and of others): what leaves the host with an attachment's address is masqueraded, except what goes to its own network,
 * by the bridge that it came from, and multicast.
 */
import { NetlinkSocket } from '../../host/netlink/socket.ts';
import { nameOf } from '../../host/nftables/explain.ts';
import { chain, type Elements, elements, type NamedSet, rule, set } from '../../host/nftables/object.ts';
import { inSet, masquerade as masquerading, match, notInSet } from '../../host/nftables/statement.ts';
import { addElements, INET, lacking, removeElements, type Section } from '../ruleset.ts';
import { isStale, labelOf } from './label.ts';
import type { AttachmentCall, GcCall, PluginCall } from './plugin.ts';
import { PluginError } from './plugin-error.ts';

export interface Masqueraded {
  /** `10.88.0.5/16`, of one attachment. */
  addresses: readonly string[];
  /** The bridge by which they reach their own network. */
  bridge: string;
}

const leaving = chain(INET, 'leaving', { type: 'nat', hook: 'postrouting', priority: 100, policy: 'accept' });

interface Family {
  /** Addresses of attachments. */
  sources: NamedSet;
  /** Each with its bridge. */
  homes: NamedSet;
}
const v4: Family = {
  sources: set(INET, 'sources', ['ipv4_addr']),
  homes: set(INET, 'homes', ['ipv4_addr', 'ifname']),
};
const v6: Family = {
  sources: set(INET, 'sources6', ['ipv6_addr']),
  homes: set(INET, 'homes6', ['ipv6_addr', 'ifname']),
};

const masqueradeRule = (
  { sources, homes }: Family,
  [source, destination, multicast]: ['ip saddr', 'ip daddr', string] | ['ip6 saddr', 'ip6 daddr', string],
) =>
  rule(
    leaving,
    [
      inSet(source, sources.set),
      notInSet([source, 'oifname'], homes.set),
      match(destination, '!=', multicast),
      masquerading(),
    ],
    'out of a network',
  );

/** What is in the kernel for it. */
export const MASQUERADE: Section = {
  table: INET,
  chains: [leaving],
  sets: [v4.sources, v4.homes, v6.sources, v6.homes],
  rules: [
    masqueradeRule(v4, ['ip saddr', 'ip daddr', '224.0.0.0/4']),
    masqueradeRule(v6, ['ip6 saddr', 'ip6 daddr', 'ff00::/8']),
  ],
};

function elementsOf(call: AttachmentCall, { addresses, bridge }: Masqueraded): Elements[] {
  const comment = labelOf(call.network, call);
  return [v4, v6].flatMap(family => {
    const own = addresses
      .filter(address => address.includes(':') === (family === v6))
      .map(address => address.replace(/\/.*$/, ''));
    return [
      elements(
        family.sources,
        own.map(address => ({ key: [address], comment })),
      ),
      elements(
        family.homes,
        own.map(address => ({ key: [address, bridge], comment })),
      ),
    ];
  });
}

/** An address that is there under another label is this one's now: whoever gives out addresses has said so. */
function add(call: AttachmentCall, what: Masqueraded): void {
  using socket = new NetlinkSocket('netfilter');
  addElements(socket, MASQUERADE, elementsOf(call, what), { trace: call.trace });
}

function remove(call: AttachmentCall): void {
  const label = labelOf(call.network, call);
  removeLabelled(call, comment => comment === label);
}

function collect(call: GcCall): void {
  removeLabelled(call, isStale(call.network, call.valid));
}

function removeLabelled({ trace }: PluginCall, isGone: (label: string) => boolean): void {
  using socket = new NetlinkSocket('netfilter');
  removeElements(socket, MASQUERADE, ({ comment = '' }) => isGone(comment), { trace });
}

function check(call: AttachmentCall, what: Masqueraded): void {
  using socket = new NetlinkSocket('netfilter');
  const [first] = lacking(socket, MASQUERADE, elementsOf(call, what));
  if (first === undefined) return;
  throw new PluginError(
    'Internal',
    `masquerading (ipMasq): ${nameOf(first)} is missing or was changed; ADD puts it back`,
  );
}

/** Each is synchronous: one nftables transaction. `remove` finds its elements by label and works without anything else known. */
export const masquerade: {
  add(call: AttachmentCall, what: Masqueraded): void;
  remove(call: AttachmentCall): void;
  /** Throws PluginError if something of it is missing. */
  check(call: AttachmentCall, what: Masqueraded): void;
  collect(call: GcCall): void;
} = { add, remove, check, collect };
