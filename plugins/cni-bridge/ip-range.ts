/** Arithmetic of address ranges, IPv4 and IPv6: `10.88.0.0/16`. */
import { formatAddress, formatPrefix, type Prefix, parsePrefix, prefixMask } from '../../src/host/netlink/inet.ts';

/** The range without host bits: `10.88.3.4/16` is `10.88.0.0/16`. RangeError on what is none. */
export function networkOf(range: string): string {
  return formatPrefix(masked(parsePrefix(range)));
}

/** The first address of a range that a host can have, which is the gateway's unless a conflist says otherwise. */
export function firstHost(range: string): string {
  const { address } = masked(parsePrefix(range));
  return formatAddress(address.with(-1, (address.at(-1) ?? 0) + 1));
}

/** Whether two ranges share an address: then one of them holds the other. Those of different families never do. */
export function overlaps(a: Prefix, b: Prefix): boolean {
  if (a.address.length !== b.address.length) return false;
  const mask = prefixMask(a.address.length, Math.min(a.length, b.length));
  return a.address.every((byte, i) => ((byte ^ (b.address[i] ?? 0)) & (mask[i] ?? 0)) === 0);
}

/** Whether all of a range is in another one. */
export function holds(wider: string, range: string): boolean {
  const [a, b] = [parsePrefix(wider), parsePrefix(range)];
  return a.length <= b.length && overlaps(a, b);
}

/** Those of ranges of one family that are in none of the others: what an interval set of nftables takes. */
export function disjoint(ranges: readonly string[]): string[] {
  const sorted = ranges
    .map(range => ({ range, prefix: parsePrefix(range) }))
    .sort((a, b) => Buffer.compare(a.prefix.address, b.prefix.address) || a.prefix.length - b.prefix.length);
  const kept: typeof sorted = [];
  for (const one of sorted) {
    const last = kept.at(-1);
    if (last === undefined || !overlaps(last.prefix, one.prefix)) kept.push(one);
  }
  return kept.map(({ range }) => range);
}

export function isIpv6(text: string): boolean {
  return text.includes(':');
}

function masked({ address, length }: Prefix): Prefix {
  const mask = prefixMask(address.length, length);
  return { address: address.map((byte, i) => byte & (mask[i] ?? 0)), length };
}
