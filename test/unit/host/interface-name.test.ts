import { expect, test } from 'bun:test';
import { canStandInRule, checkInterfaceName, isInterfaceName } from '../../../src/host/interface-name.ts';

test.each(['eth0', 'kuke-main-abcde', 'eth0.5', 'br_0', 'äöüäöüä', '"', '*', '-', '...', 'alles'])(
  '%j is a name of an interface',
  name => {
    expect(isInterfaceName(name)).toBe(true);
    checkInterfaceName(name);
  },
);

test.each<[string, string]>([
  ['', 'not an interface name: ""'],
  ['.', 'not an interface name: "."'],
  ['..', 'not an interface name: ".."'],
  ['a/b', 'not an interface name: "a/b"'],
  ['eth0:1', 'not an interface name: "eth0:1"'],
  ['a b', 'not an interface name: "a b"'],
  ['a\n', 'not an interface name: "a\\n"'],
  ['a\0b', 'not an interface name: "a\\u0000b"'],
  ['eth%d', 'not an interface name: "eth%d"'],
  ['100%', 'not an interface name: "100%"'],
  ['all', '"all" stands for every interface'],
  ['default', '"default" stands for every interface'],
  ['a234567890123456', 'has 16 characters; 15 is the most'],
  ['äöüäöüäö', 'has 16 characters; 15 is the most'],
])('%j is none', (name, message) => {
  expect(isInterfaceName(name)).toBe(false);
  expect(() => checkInterfaceName(name)).toThrow(message);
});

test('what can stand in a rule needs no quotes, and is no wildcard', () => {
  for (const name of ['eth0', 'kuke-main-abcde', 'eth0.5', 'br_0', '0']) expect(canStandInRule(name)).toBe(true);
  for (const name of ['eth+', 'eth*', '-i', '_x', '.x', 'ä', 'a"b', "a'b", 'all', 'a;b', 'a234567890123456', '']) {
    expect(canStandInRule(name)).toBe(false);
  }
});
