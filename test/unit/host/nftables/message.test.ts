import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { ByteWriter, type Codec, MalformedMessage } from '../../../../src/host/netlink/bytes.ts';
import { messagesIn } from '../../../../src/host/netlink/message.ts';
import { add, type Change, messagesOf } from '../../../../src/host/nftables/change.ts';
import { decompile } from '../../../../src/host/nftables/decompile.ts';
import {
  chainMessage,
  elementsMessage,
  ruleMessage,
  setMessage,
  tableMessage,
} from '../../../../src/host/nftables/message.ts';
import { chain, type Element, elements, map, rule, set, table } from '../../../../src/host/nftables/object.ts';
import { commentIn, decodeUserdata, encodeUserdata } from '../../../../src/host/nftables/userdata.ts';
import { statements } from './rules.ts';

const t = table('inet', 't', 'mine');
const c = chain(t, 'c', { type: 'nat', hook: 'prerouting', priority: -100, policy: 'accept' }, 'cc');
const combo = set(t, 'combo', ['ifname', 'ipv4_addr'], { interval: true, comment: 'x' });
const published = map(t, 'dm', ['inet_proto', 'inet_service'], ['ipv4_addr', 'inet_service']);

/** What follows the netlink header of the first message. */
function body(change: Change): Uint8Array {
  const out = new ByteWriter();
  messagesOf(change)[0]?.write(out, 1, 0);
  const [first] = messagesIn(out.finish());
  if (!first) throw new Error('no message');
  return first.body;
}

describe("messages are nft's own (nft --debug=mnl)", () => {
  const withoutId = (hex: string) => hex.replace(/08000a00[0-9a-f]{8}/, '');

  test('a base chain', () => {
    const bytes = body(add(chain(t, 'n', { type: 'nat', hook: 'prerouting', priority: -100, policy: 'accept' })));
    expect(chainMessage.read(bytes)).toEqual({
      family: 1,
      version: 0,
      resource: 0,
      table: 't',
      chain: 'n',
      hook: { number: 0, priority: -100 },
      policy: 1,
      type: 'nat',
    });
  });

  test('a set of concatenated intervals', () => {
    expect(withoutId(body(add(combo)).toHex())).toBe(
      [
        '01000000',
        '0600010074000000',
        '0a000200636f6d626f000000',
        '0800030000000084',
        '0800040000000a47',
        '0800050000000014',
        '20000980', // NFTA_SET_DESC: the fields' lengths
        ...['1c000280', '0c000180', '0800010000000010', '0c000180', '0800010000000004'],
        '0e000d00', // user data: byte order, comment; nft adds `typeof`
        '000400000000',
        '07027800',
        '0000',
      ].join(''),
    );
  });

  test('an element of a map', () => {
    const bytes = body(add(elements(published, [{ key: ['tcp', '80'], data: ['10.0.0.2', '8080'] }])));
    expect(bytes.toHex()).toBe(
      [
        '01000000',
        '0600010074000000',
        '07000200646d0000',
        '28000380',
        '24000180',
        ...['10000180', '0c000100', '0600000000500000'],
        ...['10000280', '0c000100', '0a0000021f900000'],
      ].join(''),
    );
  });

  test('many elements are spread over messages that the kernel can take', () => {
    const many: Element[] = Array.from({ length: 1001 }, (_, i) => ({
      key: [`br${i}`, `10.0.${i >> 8}.${i & 255}`],
      comment: 'c'.repeat(127),
    }));
    const messages = messagesOf(add(elements(combo, many)));
    expect(messages).toHaveLength(11);
    expect(messages.flatMap(message => message.elements)).toEqual(many);
  });
});

describe('messages that are cut or damaged', () => {
  const cases: [string, Codec<unknown>, Uint8Array][] = [
    ['table', tableMessage, body(add(t))],
    ['chain', chainMessage, body(add(c))],
    ['set', setMessage, body(add(combo))],
    ['elements', elementsMessage, body(add(elements(combo, [{ key: ['br0', '10.0.0.0/8'], comment: 'x' }])))],
  ];

  test.each(cases)('%s', (_, codec, whole) => {
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(), fc.nat(255), (cut, at, byte) => {
        const damaged = whole.slice(0, cut);
        if (cut > 0) damaged[at % cut] = byte;
        try {
          codec.read(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedMessage);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('rules', () => {
    fc.assert(
      fc.property(statements, fc.nat(), fc.nat(), fc.nat(255), (list, cut, at, byte) => {
        const whole = body(add(rule(c, list, 'x')));
        const damaged = whole.slice(0, (cut % whole.length) + 1);
        damaged[at % damaged.length] = byte;
        try {
          decompile('inet', ruleMessage.read(damaged).expressions ?? []);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedMessage);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('user data', () => {
  test('is written and read', () => {
    const bytes = encodeUserdata([
      [0, 'hello'],
      [1, undefined],
      [6, 5],
    ]);
    expect(bytes?.toHex()).toBe('000668656c6c6f00060405000000');
    expect(commentIn(bytes)).toBe('hello');
    expect(decodeUserdata(bytes).get(6)).toEqual(Uint8Array.of(5, 0, 0, 0));
    expect(encodeUserdata([[0, undefined]])).toBeUndefined();
    expect(commentIn(undefined)).toBeUndefined();
  });

  test('of another shape has no comment, and cut it is malformed', () => {
    expect(commentIn(Uint8Array.of(0, 9, 65))).toBeUndefined();
    expect(() => decodeUserdata(Uint8Array.of(0, 9, 65))).toThrow(MalformedMessage);
    fc.assert(fc.property(fc.uint8Array(), bytes => void commentIn(bytes)));
  });
});
