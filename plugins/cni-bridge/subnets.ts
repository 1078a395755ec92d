/** Which range a space gets (spec.md §4): the one that is asked for, else the next free one. */
import { KukeError } from 'kuke/plugin';
import { type Prefix, parsePrefix } from '../../src/host/netlink/inet.ts';
import { networkOf, overlaps } from './ip-range.ts';

export interface UsedRange {
  range: string;
  /** `route 10.0.0.0/8 via tun0`, for people. */
  by: string;
}

const FIRST_RANGE = '10.88.0.0/16';

/** The /20s of 10.89.0.0–10.127.255.255, in order. */
const POOL: readonly Parsed[] = Array.from(
  { length: 39 * 16 },
  (_, i) => `10.${89 + (i >> 4)}.${(i & 15) << 4}.0/20`,
).map(parsed);

export interface ChosenSubnet {
  subnet: string;
  /** Why it is not the one that one would expect. */
  notes: string[];
}

/** `isFirst`: for `main/default`. Throws InvalidManifest, Conflict, or NetworkFailed where nothing is free. */
export function chooseSubnet(
  { isFirst, asked }: { isFirst: boolean; asked: string | undefined },
  used: readonly UsedRange[],
): ChosenSubnet {
  return asked === undefined ? freeRange(isFirst, used) : askedRange(asked, used);
}

interface Parsed {
  text: string;
  prefix: Prefix;
}

function parsed(text: string): Parsed {
  return { text, prefix: parsePrefix(text) };
}

/** Who of `used` shares an address with a range; each is parsed once, for there may be hundreds of either. */
function takers(used: readonly UsedRange[]): (range: Parsed) => UsedRange | undefined {
  const others = used.map(one => ({ one, prefix: parsePrefix(one.range) }));
  return range => others.find(({ prefix }) => overlaps(range.prefix, prefix))?.one;
}

function askedRange(subnet: string, used: readonly UsedRange[]): ChosenSubnet {
  checkRange(subnet);
  const taker = takers(used)(parsed(subnet));
  if (taker !== undefined) {
    throw new KukeError('Conflict', `${subnet} overlaps ${taker.range}, which is in use: ${taker.by}`, {
      field: 'spec.network.subnet',
      remedy: 'take another range, or leave spec.network.subnet out',
    });
  }
  return { subnet, notes: [] };
}

function freeRange(isFirst: boolean, used: readonly UsedRange[]): ChosenSubnet {
  const takerOf = takers(used);
  const taker = takerOf(parsed(FIRST_RANGE));
  if (isFirst && taker === undefined) return { subnet: FIRST_RANGE, notes: [] };
  const subnet = POOL.find(range => takerOf(range) === undefined)?.text;
  if (subnet === undefined) {
    const wide = used.find(({ range }) => parsePrefix(range).length < 16) ?? used[0];
    throw new KukeError('NetworkFailed', `no range of 10.89.0.0-10.127.255.255 is free (in use: ${wide?.by}, ...)`, {
      remedy: 'name a free range of yours in spec.network.subnet',
    });
  }
  const why = taker && `main/default takes ${subnet}: ${FIRST_RANGE} overlaps ${taker.range}, in use: ${taker.by}`;
  return { subnet, notes: isFirst && why !== undefined ? [why] : [] };
}

/** Throws InvalidManifest for what is no IPv4 range with room for a gateway and a cell. */
function checkRange(subnet: string): void {
  const fault = rangeFault(subnet);
  if (fault === undefined) return;
  throw new KukeError('InvalidManifest', `${subnet} ${fault}`, {
    field: 'spec.network.subnet',
    remedy: 'give an IPv4 range such as 10.90.0.0/20',
  });
}

function rangeFault(subnet: string): string | undefined {
  if (!/^[\d.]+\/\d+$/.test(subnet)) return 'is no IPv4 range';
  let address: Uint8Array;
  let length: number;
  try {
    ({ address, length } = parsePrefix(subnet));
  } catch {
    return 'is no IPv4 range';
  }
  if (length > 30) return 'has no room for a gateway and a cell';
  if (length < 8) return 'is more than a space may have (a /8)';
  if (networkOf(subnet) !== subnet) return `has host bits; the range is ${networkOf(subnet)}`;
  const [first = 0] = address;
  if (first === 0 || first === 127 || first >= 224) return 'is no range for hosts';
  return undefined;
}
