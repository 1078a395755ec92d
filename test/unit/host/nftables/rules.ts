/** Random rules for property tests. */
import fc from 'fast-check';
import { formatAddress, formatPrefix, parsePrefix, prefixMask } from '../../../../src/host/netlink/inet.ts';
import type { Verdict } from '../../../../src/host/nftables/expression.ts';
import type { Selector } from '../../../../src/host/nftables/selector.ts';
import {
  counter,
  dnat,
  inSet,
  masquerade,
  match,
  notInSet,
  reject,
  type Statement,
  snat,
  verdict,
  verdictMap,
} from '../../../../src/host/nftables/statement.ts';

export const names = fc.stringMatching(/^[a-z][a-z0-9_-]{0,14}$/);
export const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatAddress);
export const ipv6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(formatAddress);
const ports = fc.nat(65535).map(String);

/** A prefix without host bits. */
function prefixes(addresses: fc.Arbitrary<string>, bits: number): fc.Arbitrary<string> {
  return fc.tuple(addresses, fc.integer({ min: 1, max: bits - 1 })).map(([text, length]) => {
    const { address } = parsePrefix(text);
    const mask = prefixMask(address.length, length);
    return formatPrefix({ address: address.map((byte, i) => byte & (mask[i] ?? 0)), length });
  });
}

export const ipv4Prefixes = prefixes(ipv4, 32);
export const ipv6Prefixes = prefixes(ipv6, 128);
export const portRanges = fc
  .tuple(fc.nat(65534), fc.nat(65535))
  .filter(([a, b]) => a < b)
  .map(([a, b]) => `${a}-${b}`);

const equality = fc.constantFrom('==' as const, '!=' as const);
const matches = (left: Selector, right: fc.Arbitrary<string>): fc.Arbitrary<Statement> =>
  fc.tuple(equality, right).map(([operator, value]) => match(left, operator, value));

const anyMatch = fc.oneof(
  matches('iifname', names),
  matches(
    'oifname',
    names.filter(name => name.length < 15).map(name => `${name}*`),
  ),
  matches('ip saddr', fc.oneof(ipv4, ipv4Prefixes)),
  matches('ip daddr', ipv4Prefixes),
  matches('ip6 saddr', fc.oneof(ipv6, ipv6Prefixes)),
  matches('ip6 daddr', ipv6),
  matches('ip protocol', fc.constantFrom('tcp', 'udp', 'icmp', '200')),
  matches('meta l4proto', fc.constantFrom('tcp', 'udp', 'ipv6-icmp', '99')),
  matches('meta nfproto', fc.constantFrom('ipv4', 'ipv6')),
  matches('meta mark', fc.constantFrom('0x00000001', '0xffffffff')),
  matches('ct mark', fc.constant('0x00000010')),
  matches('tcp dport', fc.oneof(ports, portRanges)),
  matches('udp sport', ports),
  matches('th dport', portRanges),
  matches('icmp type', fc.constantFrom('echo-request', 'time-exceeded', '77')),
  matches('icmpv6 type', fc.constantFrom('nd-neighbor-solicit', 'echo-reply')),
  matches('fib daddr type', fc.constantFrom('local', 'broadcast')),
  fc.constantFrom('established,related', 'new', 'invalid,untracked').map(states => match('ct state', states)),
  fc.constantFrom('dnat', 'seen-reply,snat').map(states => match('ct status', states)),
  fc.constantFrom('<' as const, '>=' as const).map(operator => match('tcp sport', operator, '1024')),
  fc.constant<Statement>({ ...match('meta mark', '0x00000010'), mask: '0x000000ff' }),
);

const verdicts: fc.Arbitrary<Verdict> = fc.oneof(
  fc.constantFrom('accept' as const, 'drop' as const, 'return' as const, 'continue' as const),
  names.map(chain => ({ jump: chain })),
  names.map(chain => ({ goto: chain })),
);

const fields = fc.constantFrom<Selector[]>(
  ['iifname'],
  ['iifname', 'oifname'],
  ['iifname', 'ip saddr'],
  ['ip saddr', 'ip daddr', 'tcp dport'],
  ['meta l4proto', 'th dport'],
  ['ip6 saddr', 'udp dport'],
);

const lookups = fc.oneof(
  fc.tuple(fields, names).map(([left, set]) => inSet(left, set)),
  fc.tuple(fields, names).map(([left, set]) => notInSet(left, set)),
  fc.tuple(fields, names).map(([left, map]) => verdictMap(left, map)),
);

const translations = fc.oneof(
  ipv4.map(address => snat('ip', { address })),
  fc.tuple(ipv4, fc.nat(65535)).map(([address, port]) => dnat('ip', { address, port })),
  fc.tuple(ipv6, fc.nat(65535)).map(([address, port]) => dnat('ip6', { address, port })),
  fc.tuple(fields, names, fc.boolean()).map(([left, map, withPort]) => dnat('ip', { left, map, withPort })),
  fc.tuple(fields, names, fc.boolean()).map(([left, map, withPort]) => dnat('ip6', { left, map, withPort })),
);

const others = fc.oneof(
  fc.constant(counter()),
  fc.boolean().map(random => masquerade({ random })),
  fc.constantFrom('tcp reset', 'icmpx admin-prohibited', 'icmp port-unreachable').map(reject),
  verdicts.map(verdict),
);

/** Statements of a rule in an inet table: they can be encoded; whether they make sense together is another matter. */
export const statements = fc.array(fc.oneof(anyMatch, lookups, translations, others), { maxLength: 6 });
