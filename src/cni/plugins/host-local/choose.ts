/** Which address is next: round robin, so that one that was freed is given again as late as possible. */
import type { Address } from './address.ts';
import { type Range, type RangeSet, rangeOf } from './range.ts';

/**
 * The first address after `last` for which `isFree` says yes, through all ranges of a set and once around; undefined where there is
 * none. It asks about no more addresses than are not free, and one.
 */
export function nextFree(
  set: RangeSet,
  last: Address | undefined,
  isFree: (address: Address) => boolean,
): { range: Range; address: Address } | undefined {
  for (const { range, from, to } of stretches(set, last)) {
    for (let value = from; value <= to; value++) {
      const address = { bits: range.bits, value };
      if (isFree(address)) return { range, address };
    }
  }
  return undefined;
}

interface Stretch {
  range: Range;
  from: bigint;
  to: bigint;
}

function stretches(set: RangeSet, last: Address | undefined): Stretch[] {
  const whole = (range: Range): Stretch => ({ range, from: range.start, to: range.end });
  const range = last && rangeOf(set, last);
  if (last === undefined || range === undefined) return set.map(whole);
  const at = set.indexOf(range);
  return [
    { range, from: last.value + 1n, to: range.end },
    ...[...set.slice(at + 1), ...set.slice(0, at)].map(whole),
    { range, from: range.start, to: last.value },
  ];
}
