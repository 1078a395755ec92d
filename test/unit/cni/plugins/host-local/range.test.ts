import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Address, formatNumber, parseNumber } from '../../../../../src/cni/plugins/host-local/address.ts';
import { nextFree } from '../../../../../src/cni/plugins/host-local/choose.ts';
import {
  formatRangeSet,
  parseRangeSet,
  type RangeConfig,
  rangeOf,
  reservedFor,
} from '../../../../../src/cni/plugins/host-local/range.ts';

const at = (text: string) => parseNumber(text);

describe('addresses', () => {
  test.each(['0.0.0.0', '255.255.255.255', '10.1.0.2', '::', '::1', 'fd00:1::1:0:0:2', '1:2:3:4:5:6:7:8', '1:0:2::'])(
    '%s is written as it is read',
    text => expect(formatNumber(at(text))).toBe(text),
  );

  test('an IPv4 address in IPv6 form is IPv4', () => expect(at('::ffff:10.1.0.2')).toEqual(at('10.1.0.2')));
});

describe('a range', () => {
  test.each<[RangeConfig, string]>([
    [{ subnet: '10.1.0.0/24' }, '10.1.0.1-10.1.0.254'],
    [{ subnet: '10.1.0.0/30' }, '10.1.0.1-10.1.0.2'],
    [{ subnet: 'fd00::/64' }, 'fd00::1-fd00::ffff:ffff:ffff:ffff'],
    [{ subnet: 'fd00::/126' }, 'fd00::1-fd00::3'],
    [{ subnet: '10.1.0.0/24', rangeStart: '10.1.0.9', rangeEnd: '10.1.0.9' }, '10.1.0.9-10.1.0.9'],
    [{ subnet: '10.1.0.0/24', rangeStart: '', rangeEnd: '', gateway: '' }, '10.1.0.1-10.1.0.254'],
  ])('%j has the addresses %s', (config, text) => expect(formatRangeSet(parseRangeSet([config]))).toBe(text));

  test.each<[RangeConfig, string]>([
    [{ subnet: '' }, 'subnet "" is no IP address'],
    [{ subnet: 'all' }, 'subnet "all" is no IP address'],
    [{ subnet: '10.1.0.0' }, 'is no network'],
    [{ subnet: '10.1.0.0/33' }, 'is no network'],
    [{ subnet: '10.1.0.0/-1' }, 'is no network'],
    [{ subnet: '::ffff:10.1.0.0/120' }, 'is no network'],
    [{ subnet: '::ffff:10.1.0.0/24' }, 'is no network'],
    [{ subnet: '0.0.0.0/0' }, 'Network 0.0.0.0/0 begins with the address that stands for none'],
    [{ subnet: '0.0.0.0/8' }, 'Network 0.0.0.0/8 begins'],
    [{ subnet: '::/0' }, 'Network ::/0 begins'],
    [{ subnet: '10.1.0.0/31' }, 'Network 10.1.0.0/31 too small to allocate from'],
    [{ subnet: '10.1.0.0/32' }, 'Network 10.1.0.0/32 too small to allocate from'],
    [{ subnet: 'fd00::/127' }, 'Network fd00::/127 too small to allocate from'],
    [{ subnet: '10.1.0.5/24' }, 'host bits set: it is 10.1.0.0/24'],
    [{ subnet: '10.1.0.0/24', rangeStart: '10.2.0.1' }, 'rangeStart 10.2.0.1 not in network 10.1.0.0/24'],
    [{ subnet: '10.1.0.0/24', rangeEnd: 'fd00::1' }, 'rangeEnd fd00::1 not in network 10.1.0.0/24'],
    [{ subnet: '10.1.0.0/24', rangeEnd: '10.1' }, 'rangeEnd "10.1" is no IP address'],
    [{ subnet: '10.1.0.0/24', gateway: 'x' }, 'gateway "x" is no IP address'],
    [{ subnet: '10.1.0.0/24', rangeStart: '10.1.0.9', rangeEnd: '10.1.0.3' }, 'ends before it starts'],
  ])('%j is refused', (config, msg) => expect(() => parseRangeSet([config])).toThrow(msg));

  test.each<[RangeConfig[], string]>([
    [[], 'empty range set'],
    [[{ subnet: '10.1.0.0/24' }, { subnet: 'fd00::/64' }], 'mixed address families'],
    [
      [{ subnet: '10.1.0.0/24' }, { subnet: '10.1.0.0/25' }],
      'subnets 10.1.0.1-10.1.0.254 and 10.1.0.1-10.1.0.126 overlap',
    ],
  ])('sets: %j is refused', (ranges, msg) => expect(() => parseRangeSet(ranges)).toThrow(msg));

  test('its network, broadcast and gateway addresses are for nobody, wherever they lie', () => {
    const sets = [
      parseRangeSet([{ subnet: '10.1.0.0/24', rangeStart: '10.1.0.0', rangeEnd: '10.1.0.255', gateway: '10.1.0.7' }]),
      parseRangeSet([{ subnet: 'fd00::/64', rangeStart: 'fd00::', gateway: '10.1.0.8' }]),
    ];
    const refused = ['10.1.0.0', '10.1.0.255', '10.1.0.7', '10.1.0.8', 'fd00::'];
    expect(refused.filter(text => reservedFor(sets, at(text)) === undefined)).toEqual([]);
    const given = ['10.1.0.1', '10.1.0.254', 'fd00::1', 'fd00::ffff:ffff:ffff:ffff'];
    expect(given.filter(text => reservedFor(sets, at(text)) !== undefined)).toEqual([]);
  });
});

describe('the next free address', () => {
  const set = parseRangeSet([
    { subnet: '10.1.0.0/24', rangeStart: '10.1.0.10', rangeEnd: '10.1.0.11' },
    { subnet: '10.2.0.0/24', rangeStart: '10.2.0.20', rangeEnd: '10.2.0.21' },
  ]);
  const next = (last: string | undefined, taken: string[] = []) => {
    const found = nextFree(set, last === undefined ? undefined : at(last), one => !taken.includes(formatNumber(one)));
    return found && formatNumber(found.address);
  };

  test('comes after the last one, through all ranges of the set and round again', () => {
    expect(next(undefined)).toBe('10.1.0.10');
    expect(next('10.1.0.10')).toBe('10.1.0.11');
    expect(next('10.1.0.11')).toBe('10.2.0.20');
    expect(next('10.2.0.21')).toBe('10.1.0.10');
    expect(next('192.0.2.1')).toBe('10.1.0.10');
    expect(next('10.2.0.20', ['10.2.0.21', '10.1.0.10', '10.1.0.11'])).toBe('10.2.0.20');
    expect(next('10.2.0.20', ['10.2.0.20', '10.2.0.21', '10.1.0.10', '10.1.0.11'])).toBeUndefined();
  });

  test('of a range of 2^64 is found without asking for more than are taken, from anywhere', () => {
    const wide = parseRangeSet([{ subnet: 'fd00::/64' }]);
    const [range] = wide;
    if (range === undefined) throw new Error('no range');
    const value = fc.bigInt({ min: range.start, max: range.end });
    fc.assert(
      fc.property(value, fc.integer({ min: 0, max: 50 }), (from, taken) => {
        let asked = 0;
        const found = nextFree(wide, { bits: 128, value: from }, () => ++asked > taken);
        expect(asked).toBe(taken + 1);
        expect(found && rangeOf(wide, found.address)).toBe(range);
      }),
    );
  });

  test('each free address is found once in a round, in whatever ranges and from whatever start', () => {
    const range = fc.tuple(fc.nat(200), fc.nat(40), fc.nat(255));
    const state = fc.record({
      ranges: fc.array(range, { minLength: 1, maxLength: 3 }),
      last: fc.nat(255),
      busy: fc.func(fc.boolean()),
    });
    fc.assert(
      fc.property(state, ({ ranges, last, busy }) => {
        const configs = ranges.map(([start, size, gateway], index) => ({
          subnet: `10.${index}.0.0/24`,
          rangeStart: `10.${index}.0.${start}`,
          rangeEnd: `10.${index}.0.${Math.min(start + size, 255)}`,
          gateway: `10.${index}.0.${gateway}`,
        }));
        const set = parseRangeSet(configs);
        const all = set.flatMap(({ start, end }) =>
          Array.from({ length: Number(end - start) + 1 }, (_, i): Address => ({ bits: 32, value: start + BigInt(i) })),
        );
        const may = (one: Address) => reservedFor([set], one) === undefined && !busy(formatNumber(one));
        const free = all.filter(may).map(formatNumber);
        const given: string[] = [];
        let from: Address | undefined = at(`10.0.0.${last}`);
        for (;;) {
          const found = nextFree(set, from, one => may(one) && !given.includes(formatNumber(one)));
          if (found === undefined) break;
          from = found.address;
          given.push(formatNumber(from));
        }
        expect(given.toSorted()).toEqual(free.toSorted());
      }),
    );
  });
});
