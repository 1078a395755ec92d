/** Ranges of addresses as a manifest names them: `10.90.0.0/20`, `fd00:1::/64`. */

/** What is wrong with a range for a space: `has host bits; the range is 10.90.0.0/20`. Undefined: nothing. */
export function rangeFault(text: string): string | undefined {
  const [address = '', length = '', ...more] = text.split('/');
  const value = parse(address);
  if (value === undefined || !/^\d{1,3}$/.test(length) || more.length > 0) return `is no range such as ${EXAMPLES}`;
  const bits = isIpv6Range(text) ? 128 : 32;
  const prefix = Number(length);
  if (prefix > bits) return `is no range such as ${EXAMPLES}`;
  if (prefix > bits - 2) return 'has no room for a gateway and a cell';
  const least = bits === 32 ? 8 : 32;
  if (prefix < least) return `is more than a space may have (a /${least})`;
  const hostBits = BigInt(bits - prefix);
  const first = (value >> hostBits) << hostBits;
  if (first !== value) return `has host bits; the range is ${format(first, bits)}/${prefix}`;
  return isForHosts(value, bits) ? undefined : 'is no range for hosts';
}

export function isIpv6Range(text: string): boolean {
  return text.includes(':');
}

const EXAMPLES = '10.90.0.0/20 or fd00:1::/64';

/** Not loopback, link-local or multicast, nor what has no meaning. */
function isForHosts(first: bigint, bits: number): boolean {
  const octet = Number(first >> BigInt(bits - 8));
  if (bits === 32) return octet !== 0 && octet !== 127 && octet < 224;
  return octet !== 0 && octet !== 0xff && Number(first >> 118n) !== 0xfe80 >> 6;
}

function parse(address: string): bigint | undefined {
  if (/^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(address)) {
    const octets = address.split('.').map(Number);
    return octets.every(octet => octet <= 255)
      ? BigInt(octets.reduce((all, octet) => all * 256 + octet, 0))
      : undefined;
  }
  if (!/^[0-9a-f:.]+$/i.test(address) || !URL.canParse(`http://[${address}]`)) return undefined;
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const [front, back] = [head, tail ?? ''].map(side => side.split(':').filter(Boolean));
  const gap = 8 - (front?.length ?? 0) - (back?.length ?? 0);
  const groups = [...(front ?? []), ...new Array<string>(gap).fill('0'), ...(back ?? [])];
  return groups.reduce((all, group) => (all << 16n) | BigInt(`0x${group}`), 0n);
}

function format(value: bigint, bits: number): string {
  if (bits === 32) return [24n, 16n, 8n, 0n].map(shift => (value >> shift) & 255n).join('.');
  const groups = value.toString(16).padStart(32, '0').match(/.{4}/g) ?? [];
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
