/** Giving an attachment one address of each range set. */
import type { Ip } from '../../result.ts';
import type { Endpoint } from '../plugin.ts';
import { PluginError } from '../plugin-error.ts';
import { type Address, formatNumber, parseNumber } from './address.ts';
import { nextFree } from './choose.ts';
import { formatRangeSet, type Range, type RangeSet, rangeOf, reservedFor } from './range.ts';
import type { Reservations } from './reservations.ts';

/** Which of the requested addresses is wanted of which set. Throws PluginError for one that fits into none that is left. */
export function assign(sets: readonly RangeSet[], requested: readonly Address[]): (Address | undefined)[] {
  const left = [...requested];
  const wanted = sets.map(set => {
    const at = left.findIndex(address => rangeOf(set, address) !== undefined);
    return at === -1 ? undefined : left.splice(at, 1)[0];
  });
  if (left.length === 0) return wanted;
  const ranges = sets.map(formatRangeSet).join('; ');
  const msg = `failed to allocate all requested IPs: ${left.map(formatNumber).join(' ')}`;
  throw new PluginError('InvalidConfig', msg, `there is one address to be had from each of ${ranges}`);
}

/** Reserves and returns the addresses; after a failure, PluginError or SystemError, none is reserved. */
export function allocate(
  reservations: Reservations,
  sets: readonly RangeSet[],
  wanted: readonly (Address | undefined)[],
  who: Endpoint & { network: string },
): Ip[] {
  const held = reservations.heldBy(who);
  const made: string[] = [];
  try {
    return sets.map((set, index) => {
      const double = held.find(text => isIn(set, parseName(text)));
      if (double !== undefined) {
        const what = `${double} has been allocated to ${who.containerId}, duplicate allocation is not allowed`;
        throw refuse(index, what, 'run DEL for that attachment first');
      }
      const { range, address } = pick(reservations, sets, index, wanted[index], who.network);
      const text = formatNumber(address);
      reservations.reserve(text, who, index);
      made.push(text);
      return { address: `${text}/${range.length}`, gateway: formatNumber(range.gateway) };
    });
  } catch (error) {
    reservations.release(made);
    throw error;
  }
}

/** Whether each set has an address left: the first that has none. */
export function exhausted(sets: readonly RangeSet[], isTaken: (address: string) => boolean): RangeSet | undefined {
  return sets.find(set => nextFree(set, undefined, free(sets, isTaken)) === undefined);
}

function pick(
  reservations: Reservations,
  sets: readonly RangeSet[],
  index: number,
  requested: Address | undefined,
  network: string,
): { range: Range; address: Address } {
  const set = sets[index] ?? [];
  const isTaken = (address: string) => reservations.isTaken(address);
  if (requested === undefined) {
    const found = nextFree(set, parseName(reservations.lastReserved(index)), free(sets, isTaken));
    if (found !== undefined) return found;
    const what = `no IP addresses available in range set: ${formatRangeSet(set)}`;
    const remedy = `network ${network} has given all of them: detach what needs none any more, or widen its range`;
    throw refuse(index, what, remedy);
  }
  const text = formatNumber(requested);
  const why = reservedFor(sets, requested);
  if (why !== undefined) throw new PluginError('InvalidConfig', message(index, `requested ip ${text} is ${why}`));
  if (isTaken(text)) {
    throw refuse(
      index,
      `requested IP address ${text} is not available in range set ${formatRangeSet(set)}`,
      'it is taken',
    );
  }
  const range = rangeOf(set, requested);
  if (range === undefined) throw new RangeError(`${text} was assigned to a set that does not hold it`);
  return { range, address: requested };
}

function free(sets: readonly RangeSet[], isTaken: (address: string) => boolean): (address: Address) => boolean {
  return address => !isTaken(formatNumber(address)) && reservedFor(sets, address) === undefined;
}

function isIn(set: RangeSet, address: Address | undefined): boolean {
  return address !== undefined && rangeOf(set, address) !== undefined;
}

/** Of what others have written: it may be cut off, or no address. */
function parseName(text = ''): Address | undefined {
  try {
    return parseNumber(text);
  } catch {
    return undefined;
  }
}

// The specification has no code of its own for these; the reference plugin's is 999.
function refuse(index: number, what: string, details: string): PluginError {
  return new PluginError('Internal', message(index, what), details);
}

const message = (index: number, what: string) => `failed to allocate for range ${index}: ${what}`;
