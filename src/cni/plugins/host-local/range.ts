/** Ranges of addresses, and sets of them, of which an attachment gets one address each; checked and completed as the reference plugin does. */
import { type Address, formatNumber, parseNumber, sameAddress } from './address.ts';

/** As a configuration has it; what is left out is undefined or ''. */
export interface RangeConfig {
  subnet: string;
  rangeStart?: string | undefined;
  rangeEnd?: string | undefined;
  gateway?: string | undefined;
}

export interface Range {
  bits: 32 | 128;
  /** Address of the network. */
  network: bigint;
  /** How many leading bits are the network's. */
  length: number;
  /** First and last address that may be given, both inclusive. */
  start: bigint;
  end: bigint;
  /** Never given. It may lie outside of the network. */
  gateway: Address;
}

/** At least one, all of one family. */
export type RangeSet = readonly Range[];

/** Throws RangeError where something in a set contradicts. */
export function parseRangeSet(ranges: readonly RangeConfig[]): RangeSet {
  if (ranges.length === 0) throw new RangeError('empty range set');
  const set = ranges.map(parseRange);
  if (new Set(set.map(range => range.bits)).size > 1) throw new RangeError('mixed address families');
  for (const [index, one] of set.entries()) {
    const other = set.slice(index + 1).find(other => rangesOverlap(one, other));
    if (other !== undefined) throw new RangeError(`subnets ${formatRange(one)} and ${formatRange(other)} overlap`);
  }
  return set;
}

export function setsOverlap(a: RangeSet, b: RangeSet): boolean {
  return a.some(one => b.some(other => rangesOverlap(one, other)));
}

/** `10.88.0.1-10.88.0.254,10.89.0.1-10.89.0.254`. */
export function formatRangeSet(set: RangeSet): string {
  return set.map(formatRange).join(',');
}

/** The range of a set that an address lies in. */
export function rangeOf(set: RangeSet, { bits, value }: Address): Range | undefined {
  return set.find(range => range.bits === bits && range.start <= value && value <= range.end);
}

/** Why an address is never given, though it may lie in a range; undefined where it may be given. */
export function reservedFor(sets: readonly RangeSet[], address: Address): string | undefined {
  for (const range of sets.flat()) {
    if (sameAddress(address, range.gateway)) return "subnet's gateway";
    if (address.bits !== range.bits) continue;
    if (address.value === range.network) return 'the address of the network itself';
    if (range.bits === 32 && address.value === lastOf(range)) return "the network's broadcast address";
  }
  return undefined;
}

function parseRange({ subnet, ...given }: RangeConfig): Range {
  const { bits, network, length } = parseSubnet(subnet);
  const text = formatSubnet({ bits, network, length });
  const whole: Range = {
    bits,
    network,
    length,
    start: network + 1n,
    end: lastOf({ bits, network, length }) - (bits === 32 ? 1n : 0n),
    gateway: { bits, value: network + 1n },
  };
  const inside = (key: 'rangeStart' | 'rangeEnd'): bigint | undefined => {
    if (!given[key]) return undefined;
    const address = parseAt(key, given[key]);
    const isInside = address.bits === bits && network <= address.value && address.value <= lastOf(whole);
    if (!isInside) throw new RangeError(`${key} ${formatNumber(address)} not in network ${text}`);
    return address.value;
  };
  const range: Range = {
    ...whole,
    start: inside('rangeStart') ?? whole.start,
    end: inside('rangeEnd') ?? whole.end,
    gateway: given.gateway ? parseAt('gateway', given.gateway) : whole.gateway,
  };
  if (range.start > range.end) throw new RangeError(`${formatRange(range)} in network ${text} ends before it starts`);
  return range;
}

function parseSubnet(text: string): Pick<Range, 'bits' | 'network' | 'length'> {
  const [address = '', length = ''] = text.split('/');
  const { bits, value } = parseAt('subnet', address);
  // ::ffff:10.0.0.0/104 is taken for IPv4, of which it has too long a prefix.
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits || (bits === 32 && address.includes(':'))) {
    throw new RangeError(`subnet ${JSON.stringify(text)} is no network: 10.88.0.0/16, say, or fd00:88::/64`);
  }
  const host = BigInt(bits - Number(length));
  const network = (value >> host) << host;
  const subnet = { bits, network, length: Number(length) };
  if (host < 2n) throw new RangeError(`Network ${formatSubnet(subnet)} too small to allocate from`);
  // The reference plugin finds nothing to give in these.
  if (network === 0n)
    throw new RangeError(`Network ${formatSubnet(subnet)} begins with the address that stands for none`);
  if (network !== value) throw new RangeError(`Network ${text} has host bits set: it is ${formatSubnet(subnet)}`);
  return subnet;
}

function parseAt(key: string, text: string): Address {
  try {
    return parseNumber(text);
  } catch {
    throw new RangeError(`${key} ${JSON.stringify(text)} is no IP address`);
  }
}

function rangesOverlap(a: Range, b: Range): boolean {
  return a.bits === b.bits && a.start <= b.end && b.start <= a.end;
}

function lastOf({ bits, network, length }: Pick<Range, 'bits' | 'network' | 'length'>): bigint {
  return network | ((1n << BigInt(bits - length)) - 1n);
}

function formatSubnet({ bits, network, length }: Pick<Range, 'bits' | 'network' | 'length'>): string {
  return `${formatNumber({ bits, value: network })}/${length}`;
}

function formatRange({ bits, start, end }: Range): string {
  return `${formatNumber({ bits, value: start })}-${formatNumber({ bits, value: end })}`;
}
