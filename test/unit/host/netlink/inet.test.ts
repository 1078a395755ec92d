import { describe, expect, test } from 'bun:test';
import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import {
  formatAddress,
  formatPrefix,
  parseAddress,
  parsePrefix,
  prefixContains,
  prefixMask,
} from '../../../../src/host/netlink/inet.ts';

describe('addresses', () => {
  test.each([
    ['10.88.0.1', '0a580001'],
    ['255.255.255.255', 'ffffffff'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['fd00:89::a', 'fd00008900000000000000000000000a'],
    ['1::', '00010000000000000000000000000000'],
    ['1:0:0:2::3', '00010000000000020000000000000003'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['::ffff:10.0.0.1', '00000000000000000000ffff0a000001'],
  ])('%s', (text, hex) => {
    expect(parseAddress(text).toHex()).toBe(hex);
    expect(formatAddress(Uint8Array.fromHex(hex))).toBe(text);
  });

  test('one zero group is not shortened, the first of two equal runs is (RFC 5952)', () => {
    expect(formatAddress(parseAddress('1:0:2:3:4:5:6:7'))).toBe('1:0:2:3:4:5:6:7');
    expect(formatAddress(parseAddress('1:0:0:2:0:0:3:4'))).toBe('1::2:0:0:3:4');
    expect(formatAddress(parseAddress('FD00::00AB'))).toBe('fd00::ab');
  });

  test.each([
    '',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '10.0.0.1 ',
    '1::2::3',
    ':::',
    '1:2:3:4:5:6:7',
    'fe80::1%eth0',
    '1:2:3:4:5:6:7::8',
    '::10.0.0.1:1',
    'g::',
  ])('not one: %j', text => {
    expect(() => parseAddress(text)).toThrow(`not an IP address: ${JSON.stringify(text)}`);
  });

  test('every address survives its text, and the text is one that others read', () => {
    const addresses = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    fc.assert(
      fc.property(addresses, address => {
        const text = formatAddress(address);
        expect(parseAddress(text)).toEqual(address);
        expect(isIPv6(text)).toBe(address.length === 16);
      }),
    );
  });
});

describe('prefixes', () => {
  test('keep host bits, default to all bits', () => {
    expect(formatPrefix(parsePrefix('10.88.0.1/16'))).toBe('10.88.0.1/16');
    expect(formatPrefix(parsePrefix('10.88.0.1'))).toBe('10.88.0.1/32');
    expect(formatPrefix(parsePrefix('fd00::/64'))).toBe('fd00::/64');
  });

  test.each(['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/08', '10.0.0.0/-1', 'fd00::/129'])('not one: %j', text => {
    expect(() => parsePrefix(text)).toThrow(`not a prefix length: ${JSON.stringify(text)}`);
  });

  test('masks', () => {
    expect(prefixMask(4, 20).join('.')).toBe('255.255.240.0');
    expect(prefixMask(4, 0).join('.')).toBe('0.0.0.0');
    expect(prefixMask(16, 64).toHex()).toBe('ffffffffffffffff0000000000000000');
  });

  test.each([
    ['10.1.0.0/20', '10.1.15.255', true],
    ['10.1.0.0/20', '10.1.16.0', false],
    ['0.0.0.0/0', '255.1.2.3', true],
    ['10.1.0.5', '10.1.0.5', true],
    ['10.1.0.5/24', '10.1.0.9', true],
    ['fd00::/65', 'fd00::7fff:0:0:1', true],
    ['fd00::/65', 'fd00::8000:0:0:1', false],
    ['::/0', '10.1.0.5', false],
    ['0.0.0.0/0', '::', false],
  ])('%s contains %s: %p', (prefix, address, contained) => {
    expect(prefixContains(parsePrefix(prefix), parseAddress(address))).toBe(contained);
  });
});
