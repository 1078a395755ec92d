/** What host-local should do, in the simplest words, and random sequences of calls to hold it to that. */
import fc from 'fast-check';
import type { JsonObject } from '../../../../../src/cni/json.ts';

/** A range in a network of its own: the last numbers of its addresses. */
interface ModelRange {
  prefix: string;
  start: number;
  end: number;
  gateway: number;
}

export type ModelSets = ModelRange[][];

export interface Step {
  verb: 'ADD' | 'DEL' | 'CHECK' | 'GC';
  id: string;
  ifName: string;
  /** For ADD: an address of each set that has one here, or one that is in none. */
  requested: string[];
  /** For GC. */
  valid: { containerId: string; ifName: string }[];
  /** For an interleaved run: whether the reference plugin does it. */
  reference: boolean;
}

/** The `ipam` of a configuration with these sets. */
export function ipamOf(sets: ModelSets): JsonObject {
  const ranges = sets.map(set =>
    set.map(({ prefix, start, end, gateway }) => ({
      subnet: prefix.includes(':') ? `${prefix}0/64` : `${prefix}0/24`,
      rangeStart: `${prefix}${digits(prefix, start)}`,
      rangeEnd: `${prefix}${digits(prefix, end)}`,
      gateway: `${prefix}${digits(prefix, gateway)}`,
    })),
  );
  return { type: 'host-local', ranges };
}

function digits(prefix: string, number: number): string {
  return number.toString(prefix.includes(':') ? 16 : 10);
}

export class Model {
  readonly #sets: { all: string[]; gateways: string[] }[];
  /** Address → `<id> <interface>`. */
  readonly given = new Map<string, string>();
  /** The last address of each set. */
  readonly last = new Map<number, string>();

  constructor(sets: ModelSets) {
    this.#sets = sets.map(set => ({
      all: set.flatMap(({ prefix, start, end }) =>
        Array.from({ length: end - start + 1 }, (_, i) => `${prefix}${digits(prefix, start + i)}`),
      ),
      gateways: set.map(({ prefix, gateway }) => `${prefix}${digits(prefix, gateway)}`),
    }));
  }

  holds(who: string): boolean {
    return [...this.given.values()].includes(who);
  }

  /** The addresses, or undefined for a refusal. */
  add(who: string, requested: readonly string[], byReference: boolean): string[] | undefined {
    const outside = requested.some(address => !this.#sets.some(({ all }) => all.includes(address)));
    if (this.holds(who) || (outside && !byReference)) return undefined;
    const made: string[] = [];
    for (const [index, { all, gateways }] of this.#sets.entries()) {
      const wanted = requested.find(address => all.includes(address));
      const from = all.indexOf(this.last.get(index) ?? '') + 1;
      const order = wanted === undefined ? [...all.slice(from), ...all.slice(0, from)] : [wanted];
      const next = order.find(address => !this.given.has(address) && !gateways.includes(address));
      if (next === undefined) break;
      this.given.set(next, who);
      this.last.set(index, next);
      made.push(next);
    }
    if (made.length === this.#sets.length && !outside) return made;
    for (const address of made) this.given.delete(address);
    return undefined;
  }

  keep(isKept: (who: string) => boolean): void {
    for (const [address, who] of this.given) if (!isKept(who)) this.given.delete(address);
  }
}

const small = (prefix: string): fc.Arbitrary<ModelRange> =>
  fc
    .record({
      start: fc.integer({ min: 1, max: 12 }),
      size: fc.integer({ min: 0, max: 4 }),
      gateway: fc.integer({ min: 1, max: 14 }),
    })
    .map(({ start, size, gateway }) => ({ prefix, start, end: start + size, gateway }));

export const someSets: fc.Arbitrary<ModelSets> = fc.oneof(
  fc.tuple(fc.tuple(small('10.1.0.'))),
  fc.tuple(fc.tuple(small('10.1.0.'), small('10.2.0.'))),
  fc.tuple(fc.tuple(small('10.1.0.')), fc.tuple(small('fd00::'), small('fd00:2::'))),
);

const id = fc.constantFrom('c1', 'c2', 'c3', 'c4', 'c5', 'c-6.x_y');
const ifName = fc.constantFrom('eth0', 'eth0', 'eth1');
const address = fc.oneof(
  fc.integer({ min: 1, max: 16 }).map(number => `10.1.0.${number}`),
  fc.integer({ min: 1, max: 16 }).map(number => `fd00::${number.toString(16)}`),
);
// Of two that fit into one set, the reference plugin takes any.
const requested: fc.Arbitrary<string[]> = fc.uniqueArray(address, {
  maxLength: 2,
  selector: text => text.includes(':'),
});

export const someSteps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    verb: fc.constantFrom<Step['verb'][]>('ADD', 'ADD', 'ADD', 'DEL', 'CHECK', 'GC'),
    id,
    ifName,
    requested: fc.oneof({ weight: 3, arbitrary: fc.constant<string[]>([]) }, { weight: 1, arbitrary: requested }),
    valid: fc.array(fc.record({ containerId: id, ifName }), { maxLength: 8 }),
    reference: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40, size: 'large' },
);
