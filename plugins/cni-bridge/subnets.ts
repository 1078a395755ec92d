/** Which range a space gets (spec.md §4): the one that is asked for, else the next free one. */
import { KukeError, rangeFault } from 'kuke/plugin';
import { type Prefix, parsePrefix } from '../../src/host/netlink/inet.ts';
import { overlaps } from './ip-range.ts';

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
  if (asked === undefined) return freeRange(isFirst, used);
  requireUnused(asked, used);
  return { subnet: asked, notes: [] };
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

/** Throws InvalidManifest for what is no range for a space, Conflict for one that is in use. */
export function requireUnused(subnet: string, used: readonly UsedRange[]): void {
  const fault = rangeFault(subnet);
  if (fault !== undefined) {
    throw new KukeError('InvalidManifest', `${subnet} ${fault}`, {
      field: 'spec.network',
      remedy: 'give a range such as 10.90.0.0/20 or fd00:1::/64',
    });
  }
  const taker = takers(used)(parsed(subnet));
  if (taker === undefined) return;
  throw new KukeError('Conflict', `${subnet} overlaps ${taker.range}, which is in use: ${taker.by}`, {
    field: 'spec.network',
    remedy: 'take another range, or leave it out of spec.network',
  });
}

/** Those that take the most first: `route 10.0.0.0/8 via tun0`. */
function takersOf(takers: (UsedRange | undefined)[]): string {
  const counts = new Map<string, number>();
  for (const { by } of takers.filter(one => one !== undefined)) counts.set(by, (counts.get(by) ?? 0) + 1);
  const most = [...counts].sort(([, a], [, b]) => b - a).map(([by]) => by);
  return [...most.slice(0, 3), ...(most.length > 3 ? ['...'] : [])].join(', ');
}

function freeRange(isFirst: boolean, used: readonly UsedRange[]): ChosenSubnet {
  const takerOf = takers(used);
  const taker = takerOf(parsed(FIRST_RANGE));
  if (isFirst && taker === undefined) return { subnet: FIRST_RANGE, notes: [] };
  const subnet = POOL.find(range => takerOf(range) === undefined)?.text;
  if (subnet === undefined) {
    const inUse = takersOf(POOL.map(range => takerOf(range)));
    throw new KukeError('NetworkFailed', `no range of 10.89.0.0-10.127.255.255 is free (in use: ${inUse})`, {
      remedy: 'name a free range of yours in spec.network.subnets',
    });
  }
  const why = taker && `main/default takes ${subnet}: ${FIRST_RANGE} overlaps ${taker.range}, in use: ${taker.by}`;
  return { subnet, notes: isFirst && why !== undefined ? [why] : [] };
}
