/** What a rule can look at, in nft's own words, and the expression that loads it into a register. */
import { DATA_TYPES, type DataType, type DataTypeName } from './datatype.ts';
import type { Expression } from './expression.ts';

/** enum nft_payload_bases */
const LINK = 0;
const NETWORK = 1;
const TRANSPORT = 2;

interface Definition {
  type: DataTypeName;
  load:
    | { kind: 'meta' | 'ct'; key: number; swapped?: true }
    | { kind: 'fib'; flags: number }
    | { kind: 'payload'; base: number; offset: number };
  /** The network protocol that it is a field of. */
  network?: 'ipv4' | 'ipv6' | 'arp';
  /** The transport protocol that it is a field of. */
  transport?: 'tcp' | 'udp' | 'icmp' | 'ipv6-icmp';
}

const meta = (key: number, type: DataTypeName): Definition => ({ type, load: { kind: 'meta', key } });
const ct = (key: number, type: DataTypeName): Definition => ({ type, load: { kind: 'ct', key } });
const fib = (flags: number): Definition => ({ type: 'fib_addrtype', load: { kind: 'fib', flags } });
const payload = (base: number, offset: number, type: DataTypeName, of: Partial<Definition>): Definition => ({
  type,
  load: { kind: 'payload', base, offset },
  ...of,
});

// Field numbers: NFT_META_*, NFT_CT_*, NFTA_FIB_F_*; offsets: RFC 791, 826, 8200, 9293, 768, 792, 4443.
const DEFINITIONS = {
  iifname: meta(6, 'ifname'),
  oifname: meta(7, 'ifname'),
  iifgroup: { type: 'devgroup', load: { kind: 'meta', key: 21, swapped: true } },
  'meta protocol': meta(1, 'ether_type'),
  'meta nfproto': meta(15, 'nf_proto'),
  'meta l4proto': meta(16, 'inet_proto'),
  'meta mark': meta(3, 'mark'),
  'ct state': ct(0, 'ct_state'),
  'ct direction': ct(1, 'ct_dir'),
  'ct status': ct(2, 'ct_status'),
  'ct mark': ct(3, 'mark'),
  'fib saddr type': fib(1),
  'fib daddr type': fib(2),
  'ether saddr': payload(LINK, 6, 'ether_addr', {}),
  'ether type': payload(LINK, 12, 'ether_type', {}),
  'arp saddr ip': payload(NETWORK, 14, 'ipv4_addr', { network: 'arp' }),
  'arp daddr ip': payload(NETWORK, 24, 'ipv4_addr', { network: 'arp' }),
  'ip protocol': payload(NETWORK, 9, 'inet_proto', { network: 'ipv4' }),
  'ip saddr': payload(NETWORK, 12, 'ipv4_addr', { network: 'ipv4' }),
  'ip daddr': payload(NETWORK, 16, 'ipv4_addr', { network: 'ipv4' }),
  'ip6 saddr': payload(NETWORK, 8, 'ipv6_addr', { network: 'ipv6' }),
  'ip6 daddr': payload(NETWORK, 24, 'ipv6_addr', { network: 'ipv6' }),
  'tcp sport': payload(TRANSPORT, 0, 'inet_service', { transport: 'tcp' }),
  'tcp dport': payload(TRANSPORT, 2, 'inet_service', { transport: 'tcp' }),
  'udp sport': payload(TRANSPORT, 0, 'inet_service', { transport: 'udp' }),
  'udp dport': payload(TRANSPORT, 2, 'inet_service', { transport: 'udp' }),
  'th sport': payload(TRANSPORT, 0, 'inet_service', {}),
  'th dport': payload(TRANSPORT, 2, 'inet_service', {}),
  'icmp type': payload(TRANSPORT, 0, 'icmp_type', { network: 'ipv4', transport: 'icmp' }),
  'icmpv6 type': payload(TRANSPORT, 0, 'icmpv6_type', { network: 'ipv6', transport: 'ipv6-icmp' }),
} satisfies Record<string, Definition>;

/** A field of a packet or its metadata, as nft(8) writes it. */
export type Selector = keyof typeof DEFINITIONS;

const SELECTORS = Object.keys(DEFINITIONS) as Selector[];

export function definition(selector: Selector): Definition {
  return DEFINITIONS[selector];
}

export function selectorType(selector: Selector): DataType {
  return DATA_TYPES[DEFINITIONS[selector].type];
}

/** What is known of the packet at some point of a rule: earlier matches, or the table's family, have settled it. */
export interface Known {
  network?: string;
  transport?: string;
  /** Frames are seen: of which protocol, the type of the frame tells. */
  ethernet?: true;
}

/** The match that nft(8) puts before a field of a network protocol, so that the packet has it. */
export function networkMatch(network: NonNullable<Definition['network']>, { ethernet }: Known) {
  if (ethernet === undefined) return { left: 'meta nfproto', right: network } as const;
  return network === 'arp'
    ? ({ left: 'ether type', right: 'arp' } as const)
    : ({ left: 'meta protocol', right: network === 'ipv4' ? 'ip' : 'ip6' } as const);
}

/** The network protocol that a match leaves; undefined where it is about something else. */
export function networkIn(left: Selector, right: string, { ethernet }: Known): string | undefined {
  if (left === 'meta nfproto') return right;
  if (ethernet === undefined || (left !== 'meta protocol' && left !== 'ether type')) return undefined;
  return { ip: 'ipv4', ip6: 'ipv6' }[right] ?? right;
}

/** The expression that loads a field, or the first `length` bytes of it, into the register. */
export function loadExpression(selector: Selector, dreg: number, length = selectorType(selector).size): Expression {
  const { load } = definition(selector);
  if (load.kind === 'payload') {
    return { kind: 'payload', data: { dreg, base: load.base, offset: load.offset, length } };
  }
  if (load.kind === 'fib') return { kind: 'fib', data: { dreg, result: 3, flags: load.flags } };
  return { kind: load.kind, data: { dreg, key: load.key } };
}

const HTON = 1;

/** What follows where the kernel's metadata are in the host's byte order, and are to be compared as a number: nft(8) does so in intervals. */
export function swapAfter(selector: Selector, register: number): Expression[] {
  const { load } = definition(selector);
  if (!('swapped' in load) || load.swapped === undefined) return [];
  const { size } = selectorType(selector);
  return [{ kind: 'byteorder', data: { sreg: register, dreg: register, operation: HTON, length: size, size } }];
}

/** The field that an expression loads, and into which register; undefined if it loads none of those above. */
export function selectorOf(
  expression: Expression,
  known: Known,
): { selector: Selector; dreg: number; length: number } | undefined {
  const { data } = expression;
  if (data === undefined || !('dreg' in data) || data.dreg === undefined) return undefined;
  if ('sreg' in data && data.sreg !== undefined) return undefined;
  const { dreg } = data;
  const selector = SELECTORS.find(name => loads(definition(name), expression) && fits(definition(name), known));
  if (selector === undefined) return undefined;
  const length = expression.kind === 'payload' ? expression.data?.length : undefined;
  return { selector, dreg, length: length ?? selectorType(selector).size };
}

/** Whether a field holds an address: of these the first bytes alone can be loaded, for a prefix. */
export function isAddress(selector: Selector): boolean {
  return ADDRESS_TYPES.includes(definition(selector).type);
}

const ADDRESS_TYPES: readonly DataTypeName[] = ['ipv4_addr', 'ipv6_addr'];

function loads({ load, type }: Definition, { kind, data }: Expression): boolean {
  if (kind !== load.kind || data === undefined) return false;
  if (load.kind === 'payload') {
    if (!('base' in data) || data.base !== load.base || data.offset !== load.offset) return false;
    const { length = 0 } = data;
    const { size } = DATA_TYPES[type];
    return length === size || (ADDRESS_TYPES.includes(type) && length > 0 && length < size);
  }
  if (load.kind === 'fib') return 'result' in data && data.result === 3 && data.flags === load.flags;
  return 'key' in data && data.key === load.key && !('direction' in data);
}

/** Whether the field exists in such packets: the same bytes are a TCP port or an ICMP type. */
function fits({ network, transport }: Definition, known: Known): boolean {
  return (
    (network === undefined || network === known.network) && (transport === undefined || transport === known.transport)
  );
}
