/** IPv4 and IPv6 addresses and prefixes, between text and bytes in network order (inet_pton(3), RFC 5952). */

export const AF_INET = 2;
export const AF_INET6 = 10;

/** Four or sixteen bytes of an address, and how many leading bits are the network's. */
export interface Prefix {
  address: Uint8Array;
  length: number;
}

function parseIPv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every(part => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255))
    return undefined;
  return Uint8Array.of(Number(parts[0]), Number(parts[1]), Number(parts[2]), Number(parts[3]));
}

/** Sixteen-bit groups of one side of `::`; the last may be a dotted IPv4 address. */
function parseGroups(text: string): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const [a, b, c, d] = (index === parts.length - 1 && parseIPv4(part)) || [];
    if (a === undefined || b === undefined || c === undefined || d === undefined) return undefined;
    groups.push((a << 8) | b, (c << 8) | d);
  }
  return groups;
}

function parseIPv6(text: string): Uint8Array | undefined {
  const sides = text.split('::');
  if (sides.length > 2) return undefined;
  const head = parseGroups(sides[0] ?? '');
  const tail = parseGroups(sides[1] ?? '');
  if (!head || !tail) return undefined;
  const gap = 8 - head.length - tail.length;
  if (sides.length === 2 ? gap < 1 : gap !== 0) return undefined;
  const groups = [...head, ...new Array<number>(gap).fill(0), ...tail];
  return Uint8Array.from(groups.flatMap(group => [group >> 8, group & 255]));
}

/** `10.88.0.1` as 4 bytes, `fd00::1` as 16; throws a RangeError on anything else (zones, octal and short forms too). */
export function parseAddress(text: string): Uint8Array {
  const bytes = text.includes(':') ? parseIPv6(text) : parseIPv4(text);
  if (!bytes) throw new RangeError(`not an IP address: ${JSON.stringify(text)}`);
  return bytes;
}

/** The text of 4 or 16 bytes, IPv6 in RFC 5952's form. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new RangeError(`IP address of ${bytes.length} bytes`);
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  // IPv4-mapped addresses keep their dotted form.
  if (groups.slice(0, 5).every(group => group === '0') && groups[5] === 'ffff')
    return `::ffff:${bytes.slice(12).join('.')}`;
  const zeros = longestZeros(groups);
  if (zeros.length < 2) return groups.join(':');
  return `${groups.slice(0, zeros.start).join(':')}::${groups.slice(zeros.start + zeros.length).join(':')}`;
}

/** The first longest run of zero groups. */
function longestZeros(groups: readonly string[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === '0') end++;
    if (end - start > best.length) best = { start, length: end - start };
    if (end > start) start = end;
  }
  return best;
}

/** `10.0.0.0/8`; without a length, all bits. Host bits are kept as they are: an interface's address has some. */
export function parsePrefix(text: string): Prefix {
  const slash = text.indexOf('/');
  const address = parseAddress(slash === -1 ? text : text.slice(0, slash));
  const length = slash === -1 ? String(address.length * 8) : text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > address.length * 8) {
    throw new RangeError(`not a prefix length: ${JSON.stringify(text)}`);
  }
  return { address, length: Number(length) };
}

export function formatPrefix({ address, length }: Prefix): string {
  return `${formatAddress(address)}/${length}`;
}

/** AF_INET or AF_INET6 of an address. */
export function familyOf(address: Uint8Array): number {
  return address.length === 4 ? AF_INET : AF_INET6;
}

/** The mask of a prefix: `prefixMask(4, 20)` is 255.255.240.0. */
export function prefixMask(bytes: number, length: number): Uint8Array {
  const mask = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) mask[i] = 0xff00 >> Math.min(8, Math.max(0, length - 8 * i));
  return mask;
}

/** Whether an address lies in a network; never if it is of the other family. */
export function prefixContains({ address, length }: Prefix, other: Uint8Array): boolean {
  const mask = prefixMask(address.length, length);
  return (
    address.length === other.length && address.every((byte, i) => ((byte ^ (other[i] ?? 0)) & (mask[i] ?? 0)) === 0)
  );
}
