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

export function isIpv6(text: string): boolean {
  return text.includes(':');
}

function masked({ address, length }: Prefix): Prefix {
  const mask = prefixMask(address.length, length);
  return { address: address.map((byte, i) => byte & (mask[i] ?? 0)), length };
}
