import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { firstHost, networkOf, overlaps } from '../../../plugins/cni-bridge/ip-range.ts';
import { chooseSubnet, type UsedRange } from '../../../plugins/cni-bridge/subnets.ts';
import { parsePrefix } from '../../../src/host/netlink/inet.ts';
import { KukeError } from '../../../src/kernel/errors.ts';

const used = (...ranges: string[]): UsedRange[] => ranges.map(range => ({ range, by: 'test' }));
const choose = (isFirst: boolean, ...ranges: string[]) => chooseSubnet({ isFirst, asked: undefined }, used(...ranges));

const octet = fc.integer({ min: 0, max: 255 });
/** Anywhere, and most of them where spaces are. */
const range = fc
  .tuple(fc.oneof(fc.constant(10), octet), fc.oneof(fc.integer({ min: 86, max: 92 }), octet), octet, octet)
  .chain(address => fc.integer({ min: 1, max: 32 }).map(length => networkOf(`${address.join('.')}/${length}`)));

/** First and last address as numbers, by another way than the code's. */
function bounds(text: string): [number, number] {
  const [address = '', length = ''] = text.split('/');
  const start = address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  return [start, start + 2 ** (32 - Number(length)) - 1];
}
function meet(one: string, other: string): boolean {
  const [[a, b], [c, d]] = [bounds(one), bounds(other)];
  return a <= d && c <= b;
}

describe('ranges', () => {
  test('overlap exactly if they share an address', () => {
    fc.assert(
      fc.property(range, range, (one, other) => {
        expect(overlaps(parsePrefix(one), parsePrefix(other))).toBe(meet(one, other));
      }),
    );
    const [wide, narrow, v4] = ['fd00::/8', 'fd12::/64', '0.0.0.0/1'].map(parsePrefix);
    if (!wide || !narrow || !v4) throw new Error('no prefixes');
    expect([overlaps(wide, v4), overlaps(wide, narrow)]).toEqual([false, true]);
  });

  test('begin with the gateway', () => {
    expect([firstHost('10.88.0.0/16'), firstHost('10.88.3.4/30'), firstHost('fd00:1::/64')]).toEqual([
      '10.88.0.1',
      '10.88.3.5',
      'fd00:1::1',
    ]);
  });
});

/** The range; undefined where there is a reason for a refusal: what was asked for is in use or for no hosts, or everything is taken. */
function chosenOrRefused(wanted: { isFirst: boolean; asked: string | undefined }, taken: string[]): string | undefined {
  const { asked } = wanted;
  try {
    const { subnet } = chooseSubnet(wanted, used(...taken));
    expect(taken.filter(other => meet(subnet, other))).toEqual([]);
    expect(subnet).toBe(asked ?? subnet);
    return subnet;
  } catch (error) {
    if (!(error instanceof KukeError)) throw error;
    if (error.code === 'Conflict') expect(taken.some(other => meet(asked ?? '', other))).toBe(true);
    else expect(error.code).toBe(asked === undefined ? 'NetworkFailed' : 'InvalidManifest');
    return undefined;
  }
}

describe('what a space gets', () => {
  test('never overlaps another space’s, or anything else in use, whatever the sequence', () => {
    const wish = fc.record({ isFirst: fc.boolean(), asked: fc.option(range, { nil: undefined }), leaves: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 5 }), fc.array(wish, { maxLength: 20 }), (foreign, wishes) => {
        const spaces: string[] = [];
        for (const { leaves, ...wanted } of wishes) {
          const subnet = chosenOrRefused(wanted, [...foreign, ...spaces]);
          if (subnet !== undefined) spaces.push(subnet);
          if (leaves < spaces.length) spaces.splice(leaves, 1);
        }
      }),
    );
  });

  test('is 10.88.0.0/16 for main/default, and the lowest free /20 for every other', () => {
    expect(choose(true)).toEqual({ subnet: '10.88.0.0/16', notes: [] });
    expect(choose(false)).toEqual({ subnet: '10.89.0.0/20', notes: [] });
    expect(choose(false, '10.89.0.0/20', '10.89.32.0/20').subnet).toBe('10.89.16.0/20');
    expect(choose(false, '10.89.0.0/16').subnet).toBe('10.90.0.0/20');
    expect(choose(false, '10.89.0.0/16', '10.90.15.255/32').subnet).toBe('10.90.16.0/20');
  });

  test('is another one for main/default where that is in use, and it is told why', () => {
    const chosen = chooseSubnet({ isFirst: true, asked: undefined }, [{ range: '10.88.0.0/16', by: '87-podman' }]);
    expect(chosen).toEqual({
      subnet: '10.89.0.0/20',
      notes: ['main/default takes 10.89.0.0/20: 10.88.0.0/16 overlaps 10.88.0.0/16, in use: 87-podman'],
    });
    expect(chooseSubnet({ isFirst: false, asked: undefined }, used('10.88.0.0/16')).notes).toEqual([]);
  });

  test('is the last of 624 ranges before there is none', () => {
    const all = Array.from({ length: 624 }, (_, i) => `10.${89 + Math.floor(i / 16)}.${(i % 16) * 16}.0/20`);
    expect(choose(false, ...all.slice(0, -1)).subnet).toBe('10.127.240.0/20');
    expect(() => choose(false, ...all)).toThrow('no range of 10.89.0.0-10.127.255.255 is free');
    const taken = [
      { range: '127.0.0.1/8', by: 'lo' },
      { range: '10.0.0.0/8', by: 'route 10.0.0.0/8 via tun0' },
    ];
    expect(() => chooseSubnet({ isFirst: false, asked: undefined }, taken)).toThrow(
      '(in use: route 10.0.0.0/8 via tun0)',
    );
  });

  test.each([
    ['10.0.0.0', 'is no range such as'],
    ['10.0.0.0/33', 'is no range such as'],
    ['300.0.0.0/24', 'is no range such as'],
    ['fd00::1::/64', 'is no range such as'],
    ['fd00::/129', 'is no range such as'],
    ['fd00::/127', 'no room'],
    ['fd00::/16', 'more than a space'],
    ['fd00::1/64', 'the range is fd00::/64'],
    ['fe80::/64', 'no range for hosts'],
    ['ff02::/64', 'no range for hosts'],
    ['10.0.0.0/31', 'no room'],
    ['0.0.0.0/0', 'more than a space'],
    ['10.90.0.5/20', 'the range is 10.90.0.0/20'],
    ['127.1.0.0/16', 'no range for hosts'],
    ['224.0.0.0/8', 'no range for hosts'],
  ])('is not %s: %s', (asked, why) => {
    expect(() => chooseSubnet({ isFirst: false, asked }, [])).toThrow(why);
  });
});
