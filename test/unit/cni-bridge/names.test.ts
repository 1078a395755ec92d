import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { bridgeName, isLegalBridge, networkName } from '../../../plugins/cni-bridge/names.ts';
import { NAME_PATTERN } from '../../../src/kernel/names.ts';

// Few letters and many hyphens, so that pairs meet.
const close = fc.stringMatching(/^[abA0]{1,2}(-[ab0]{1,2}){0,3}$/);
const any = fc.stringMatching(NAME_PATTERN).filter(name => name.length <= 63);
const name = fc.oneof({ weight: 3, arbitrary: close }, any);
const pair = fc.tuple(name, name);
type Pair = [realm: string, space: string];
const key = ([realm, space]: Pair) => `${realm}/${space}`;

describe('bridges', () => {
  test('of any two different pairs have different names, which the kernel and rules take', () => {
    fc.assert(
      fc.property(pair, pair, (one, other) => {
        const [a, b] = [bridgeName(...one), bridgeName(...other)];
        expect(a === b).toBe(key(one) === key(other));
        expect([a, b].filter(text => !isLegalBridge(text) || !/^kuke-[A-Za-z0-9-]{1,10}$/.test(text))).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    [['a', 'b'], 'kuke-a-b'],
    [['main', 'space'], 'kuke-main-space'],
  ])('of %j is %s', (of, expected) => {
    expect(bridgeName(of[0] ?? '', of[1] ?? '')).toBe(expected);
  });

  test.each([
    [['main', 'default'], 'two characters too long'],
    [['a-b', 'c'], 'could be (a, b-c)'],
    [['a', 'b-c'], 'could be (a-b, c)'],
  ])('of %j is a hash: %s', of => {
    expect(bridgeName(of[0] ?? '', of[1] ?? '')).toMatch(/^kuke-[a-z0-9]{10}$/);
  });

  test('stay the same from version to version', () => {
    expect([bridgeName('main', 'default'), bridgeName('a-b', 'c')]).toEqual(['kuke-3yk8a0r8iv', 'kuke-1yg7y5gshm']);
  });

  test.each(['', 'kukeon-123456789', 'br+', 'br*', 'a b', 'a"b', '-x', 'ä'])('may not be called %j', text => {
    expect(isLegalBridge(text)).toBe(false);
  });
});

describe('networks', () => {
  test('of all pairs have different names, whatever the order, and keep them', () => {
    fc.assert(
      fc.property(fc.uniqueArray(pair, { selector: key, maxLength: 30 }), pairs => {
        const names = new Map<string, string>();
        const nameOf = (one: Pair) =>
          networkName(...one, candidate => [...names].some(([of, given]) => given === candidate && of !== key(one)));
        for (const one of pairs) names.set(key(one), nameOf(one));
        expect(new Set(names.values()).size).toBe(pairs.length);
        for (const one of pairs) {
          expect(names.get(key(one))).toBe(nameOf(one));
          expect(names.get(key(one))).toStartWith(one.join('-'));
        }
      }),
    );
  });

  test('a pair without a hyphen always has the plain name', () => {
    const plain = fc.stringMatching(/^[ab]{1,3}$/);
    const hyphened = fc.stringMatching(/^[ab]{1,2}-[ab]{1,2}$/);
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.tuple(hyphened, plain), fc.tuple(plain, hyphened))),
        plain,
        plain,
        (others, r, s) => {
          const taken = new Set<string>();
          for (const other of others) taken.add(networkName(...other, candidate => taken.has(candidate)));
          expect(networkName(r, s, candidate => taken.has(candidate))).toBe(`${r}-${s}`);
        },
      ),
    );
  });

  test('the second of two that would read alike gets its hash; also if that name is a third one’s', () => {
    const taken = new Set<string>();
    const take = (realm: string, space: string) => {
      const given = networkName(realm, space, candidate => taken.has(candidate));
      taken.add(given);
      return given;
    };
    expect(take('a-b', 'c')).toBe('a-b-c');
    const second = networkName('a', 'b-c', candidate => taken.has(candidate));
    expect(second).toMatch(/^a-b-c-[a-z0-9]{8}$/);
    expect(take('a', second.slice(2))).toBe(second);
    expect(take('a', 'b-c')).toMatch(/^a-b-c-[a-z0-9]{16}$/);
  });
});
