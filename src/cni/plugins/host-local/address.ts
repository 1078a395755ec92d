/** Addresses as numbers: what ranges are made of. */
import { formatAddress, parseAddress } from '../../../host/netlink/inet.ts';

export interface Address {
  /** 32 bits are IPv4, 128 are IPv6. */
  bits: 32 | 128;
  value: bigint;
}

const MAPPED = 0xffff_0000_0000n;

/** `10.88.0.2`, `fd00::2`. `::ffff:10.88.0.2` is the IPv4 address, as in Go. Throws RangeError. */
export function parseNumber(text: string): Address {
  const bytes = parseAddress(text);
  const value = BigInt(`0x${bytes.toHex()}`);
  if (bytes.length === 4) return { bits: 32, value };
  return value >> 32n === MAPPED >> 32n ? { bits: 32, value: value & 0xffff_ffffn } : { bits: 128, value };
}

/** The address as the reference plugin writes it, in results and as the name of a file. */
export function formatNumber({ bits, value }: Address): string {
  return formatAddress(Uint8Array.fromHex(value.toString(16).padStart(bits / 4, '0')));
}

export function sameAddress(a: Address, b: Address): boolean {
  return a.bits === b.bits && a.value === b.value;
}
