/** nftables' data types: the number that libnftables prints a set's type by, the size, and values as text and bytes. */
import { formatAddress, parseAddress } from '../netlink/inet.ts';
import { formatMac, parseMac } from '../netlink/link.ts';

/** One type. `parse` throws a RangeError on text that is no such value. */
export interface DataType {
  /** The number in nftables' `enum datatypes` (include/datatype.h). */
  readonly id: number;
  /** Bytes of a value. */
  readonly size: number;
  /** Network byte order: only these have intervals, for the kernel compares bytes from the left. */
  readonly bigEndian: boolean;
  /** Values are sets of bits, written `established,related`. */
  readonly flags?: true;
  parse(text: string): Uint8Array;
  format(bytes: Uint8Array): string;
}

type Symbols = Readonly<Record<string, number>>;

function toBytes(value: number, size: number, bigEndian: boolean): Uint8Array {
  const bytes = Uint8Array.from({ length: size }, (_, i) => (value / 256 ** (size - 1 - i)) & 255);
  return bigEndian ? bytes : bytes.reverse();
}

function toNumber(bytes: Uint8Array, bigEndian: boolean): number {
  return (bigEndian ? bytes : bytes.toReversed()).reduce((sum, byte) => sum * 256 + byte, 0);
}

/** An integer with names for some of its values; what has no name is written in decimal, or as `unnamed` has it. */
function integer(
  id: number,
  size: number,
  bigEndian: boolean,
  symbols: Symbols = {},
  unnamed: (value: number) => string = String,
): DataType {
  return {
    id,
    size,
    bigEndian,
    parse(text) {
      const named = Object.hasOwn(symbols, text) ? symbols[text] : undefined;
      const value = named ?? (/^(0|[1-9]\d*|0x[0-9a-f]+)$/i.test(text) ? Number(text) : Number.NaN);
      if (!(value < 256 ** size)) throw new RangeError(`not a value of ${nameOf(id)}: ${JSON.stringify(text)}`);
      return toBytes(value, size, bigEndian);
    },
    format(bytes) {
      const value = toNumber(bytes, bigEndian);
      return Object.keys(symbols).find(name => symbols[name] === value) ?? unnamed(value);
    },
  };
}

/** Sets of bits by name, in the host's byte order. */
function bits(id: number, symbols: Symbols): DataType {
  const one = integer(id, 4, false, symbols, value => `0x${value.toString(16)}`);
  return {
    ...one,
    flags: true,
    parse(text) {
      const values = text.split(',').map(name => toNumber(one.parse(name), false));
      return toBytes(
        values.reduce((sum, value) => (sum | value) >>> 0),
        4,
        false,
      );
    },
    format(bytes) {
      const value = toNumber(bytes, false);
      const names = Object.keys(symbols).filter(name => (value & (symbols[name] ?? 0)) !== 0);
      const named = names.reduce((sum, name) => sum | (symbols[name] ?? 0), 0);
      return named === value ? names.join(',') : one.format(bytes);
    },
  };
}

const ifname: DataType = {
  id: 41,
  size: 16,
  bigEndian: false,
  parse(text) {
    const bytes = Buffer.from(text);
    if (bytes.length === 0 || bytes.length > 15 || bytes.includes(0) || text.includes('"')) {
      throw new RangeError(`not a value of ifname (1 to 15 characters): ${JSON.stringify(text)}`);
    }
    const padded = new Uint8Array(16);
    padded.set(bytes);
    return padded;
  },
  format(bytes) {
    const end = bytes.indexOf(0);
    return Buffer.from(end === -1 ? bytes : bytes.subarray(0, end)).toString();
  },
};

function address(id: number, size: number): DataType {
  return {
    id,
    size,
    bigEndian: true,
    parse(text) {
      const bytes = parseAddress(text);
      if (bytes.length !== size) throw new RangeError(`not a value of ${nameOf(id)}: ${JSON.stringify(text)}`);
      return bytes;
    },
    format: formatAddress,
  };
}

/** By the names that nft(8) has for them. Symbols are nft's, as its `describe` lists them. */
export const DATA_TYPES = {
  nf_proto: integer(2, 1, false, { ipv4: 2, ipv6: 10 }),
  ipv4_addr: address(7, 4),
  ipv6_addr: address(8, 16),
  ether_type: integer(10, 2, true, { ip: 0x0800, arp: 0x0806, ip6: 0x86dd, '8021q': 0x8100 }),
  ether_addr: { id: 9, size: 6, bigEndian: true, parse: parseMac, format: formatMac },
  inet_proto: integer(12, 1, true, {
    icmp: 1,
    tcp: 6,
    udp: 17,
    gre: 47,
    esp: 50,
    ah: 51,
    'ipv6-icmp': 58,
    sctp: 132,
    udplite: 136,
  }),
  inet_service: integer(13, 2, true),
  icmp_type: integer(14, 1, true, {
    'echo-reply': 0,
    'destination-unreachable': 3,
    'source-quench': 4,
    redirect: 5,
    'echo-request': 8,
    'router-advertisement': 9,
    'router-solicitation': 10,
    'time-exceeded': 11,
    'parameter-problem': 12,
  }),
  mark: integer(19, 4, false, {}, value => `0x${value.toString(16).padStart(8, '0')}`),
  ct_state: bits(26, { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 }),
  ct_dir: integer(27, 1, false, { original: 0, reply: 1 }),
  ct_status: bits(28, {
    expected: 1,
    'seen-reply': 2,
    assured: 4,
    confirmed: 8,
    snat: 16,
    dnat: 32,
    dying: 512,
  }),
  icmpv6_type: integer(29, 1, true, {
    'destination-unreachable': 1,
    'packet-too-big': 2,
    'time-exceeded': 3,
    'parameter-problem': 4,
    'echo-request': 128,
    'echo-reply': 129,
    'mld-listener-query': 130,
    'mld-listener-report': 131,
    'mld-listener-done': 132,
    'nd-router-solicit': 133,
    'nd-router-advert': 134,
    'nd-neighbor-solicit': 135,
    'nd-neighbor-advert': 136,
    'nd-redirect': 137,
  }),
  /** The host's byte order in the kernel's metadata; in sets as a number that can be compared, as `swapped` fields are. */
  devgroup: integer(35, 4, true),
  fib_addrtype: integer(38, 4, false, {
    unicast: 1,
    local: 2,
    broadcast: 3,
    anycast: 4,
    multicast: 5,
    blackhole: 6,
    unreachable: 7,
    prohibit: 8,
  }),
  ifname,
} as const satisfies Record<string, DataType>;

export type DataTypeName = keyof typeof DATA_TYPES;

const NAMES = Object.keys(DATA_TYPES) as DataTypeName[];

export function dataType(name: DataTypeName): DataType {
  return DATA_TYPES[name];
}

function nameOf(id: number): string {
  return NAMES.find(name => DATA_TYPES[name].id === id) ?? `type ${id}`;
}

/** Whether the text is one value: some names contain a `-`. */
export function isValue(type: DataType, text: string): boolean {
  try {
    type.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Both ends of `10.0.0.1-10.0.0.9`. */
export function parseRange(type: DataType, text: string): [from: Uint8Array, to: Uint8Array] {
  const dash = text.indexOf('-');
  const from = type.parse(text.slice(0, dash));
  const to = type.parse(text.slice(dash + 1));
  if (Buffer.compare(from, to) > 0) throw new RangeError(`range ${text} ends before it begins`);
  return [from, to];
}

const CONCAT_BITS = 6;

/** The number of a set's key or data type: a concatenation shifts its parts by six bits each. */
export function typeId(types: readonly DataTypeName[]): number {
  return types.reduce((id, name) => (id << CONCAT_BITS) | DATA_TYPES[name].id, 0);
}

/** The parts of a set's type; undefined if there is one that this table does not know. */
export function typesOf(id: number): DataTypeName[] | undefined {
  const names: DataTypeName[] = [];
  for (let rest = id; rest > 0; rest >>>= CONCAT_BITS) {
    const part = rest & ((1 << CONCAT_BITS) - 1);
    const name = NAMES.find(candidate => DATA_TYPES[candidate].id === part);
    if (name === undefined) return undefined;
    names.unshift(name);
  }
  return names.length === 0 ? undefined : names;
}

/** Where each part of a concatenation lies: from `offset`, `size` bytes; every part fills whole 32-bit registers. */
export function layoutOf(types: readonly DataTypeName[]): {
  parts: { type: DataType; offset: number }[];
  size: number;
} {
  let size = 0;
  const parts = types.map(name => {
    const type: DataType = DATA_TYPES[name];
    const part = { type, offset: size };
    size += (type.size + 3) & ~3;
    return part;
  });
  const [only] = parts;
  return { parts, size: parts.length === 1 && only ? only.type.size : size };
}
