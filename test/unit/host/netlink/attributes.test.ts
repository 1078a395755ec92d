import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { attributes, forEachAttribute, headed, listOf, variant } from '../../../../src/host/netlink/attributes.ts';
import {
  ByteWriter,
  bytes,
  type Codec,
  i32,
  MalformedMessage,
  string,
  struct,
  u8,
  u16,
  u16be,
  u32,
  u32be,
  u64be,
} from '../../../../src/host/netlink/bytes.ts';

const inner = attributes({ port: [1, u16be], mark: [2, u32be], handle: [3, u64be] });
const everything = headed(
  struct({ family: u8, pad: u8, kind: u16, index: i32 }),
  attributes({
    name: [1, string],
    mtu: [4, u32],
    data: [5, bytes],
    inner: [9, inner],
    names: [10, listOf(53, string)],
    info: [18, variant({ name: [1, string], data: 2 }, { veth: inner, bridge: attributes({ stp: [5, u8] }) })],
  }),
);

function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const out = new ByteWriter();
  codec.write(out, value);
  return out.finish();
}

const u32s = fc.nat(0xffffffff);
const names = fc.string({ unit: 'grapheme', maxLength: 20 }).filter(text => !text.includes('\0'));
const innerValues = fc.record({ port: fc.nat(0xffff), mark: u32s, handle: fc.maxSafeNat() }, { requiredKeys: [] });
const octets = fc.array(fc.nat(255), { maxLength: 40 }).map(values => Uint8Array.from(values));
const infos = fc.oneof(
  fc.record({ kind: fc.constant('veth' as const), data: innerValues }, { requiredKeys: ['kind'] }),
  fc.record({ kind: fc.constant('bridge' as const), data: fc.record({ stp: fc.nat(1) }) }, { requiredKeys: ['kind'] }),
  fc.record(
    {
      kind: fc.constant('other' as const),
      name: names.filter(name => name !== 'veth' && name !== 'bridge'),
      data: octets,
    },
    { requiredKeys: ['kind', 'name'] },
  ),
);
const values = fc
  .record(
    { name: names, mtu: u32s, data: octets, inner: innerValues, names: fc.array(names, { maxLength: 4 }), info: infos },
    { requiredKeys: [] },
  )
  .chain(body =>
    fc
      .record({ family: fc.nat(255), pad: fc.constant(0), kind: fc.nat(0xffff), index: fc.integer() })
      .map(header => ({ ...header, ...body })),
  );

describe('attribute tables', () => {
  test('what is written is read back', () => {
    fc.assert(
      fc.property(values, value => {
        expect(everything.read(encode(everything, value))).toEqual(value);
      }),
    );
  });

  test('a message is laid out as netlink(7) says', () => {
    const message = { family: 1, kind: 2, index: -1, name: 'ab', inner: { port: 80 } };
    expect(encode(everything, message).toHex()).toBe(
      ['01000200ffffffff', '0700010061620000', '0c000980', '0600010000500000'].join(''),
    );
  });

  test('undefined is not sent, unknown attributes are skipped', () => {
    const wide = attributes({ a: [1, u8], b: [2, u8] });
    const narrow = attributes({ b: [2, u8] });
    expect(narrow.read(encode(wide, { a: 1, b: 2 }))).toEqual({ b: 2 });
    expect(encode(wide, { a: undefined }).length).toBe(0);
  });

  test('nesting sets NLA_F_NESTED, and the flag is ignored when reading', () => {
    const body = encode(everything, { inner: { port: 1 } }).subarray(8);
    const seen: number[][] = [];
    forEachAttribute(body, (...attribute) => seen.push(attribute));
    expect(body.subarray(2, 4).toHex()).toBe('0980');
    expect(seen).toEqual([[9, 4, 12]]);
  });

  test('an attribute over 65535 bytes is refused', () => {
    expect(() => encode(attributes({ a: [1, bytes] }), { a: new Uint8Array(65532) })).toThrow(
      'netlink attribute 1 of 65536 bytes; 65535 is the most',
    );
  });

  test('a string with NUL is refused', () => {
    expect(() => encode(string, 'a\0b')).toThrow('NUL in "a\\u0000b"');
  });

  test('any cut or flipped message is read or refused as malformed, and nothing else happens', () => {
    fc.assert(
      fc.property(values, fc.nat(), fc.nat(), fc.nat(255), (value, cut, at, byte) => {
        const whole = encode(everything, value);
        const damaged = whole.slice(0, cut % (whole.length + 1));
        if (damaged.length > 0) damaged[at % damaged.length] = byte;
        try {
          everything.read(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedMessage);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
