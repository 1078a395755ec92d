import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { MalformedMessage } from '../../../../src/host/netlink/bytes.ts';
import { DATA_TYPES, type DataTypeName, layoutOf, typeId, typesOf } from '../../../../src/host/nftables/datatype.ts';
import { decodeElements, encodeElement, keyOf } from '../../../../src/host/nftables/element.ts';
import { type Element, map, type NamedSet, set, table } from '../../../../src/host/nftables/object.ts';
import { ipv4, ipv4Prefixes, ipv6, names, portRanges } from './rules.ts';

const of = table('inet', 't');
const values = {
  ifname: names,
  ipv4_addr: ipv4,
  ipv6_addr: ipv6,
  inet_service: fc.nat(65535).map(String),
  inet_proto: fc.constantFrom('tcp', 'udp', '250'),
  mark: fc.constantFrom('0x00000001', '0xdeadbeef'),
} satisfies Partial<Record<DataTypeName, fc.Arbitrary<string>>>;
const types = fc.array(fc.constantFrom(...(Object.keys(values) as (keyof typeof values)[])), {
  minLength: 1,
  maxLength: 4,
});
const keys = (of: readonly (keyof typeof values)[]) => fc.tuple(...of.map(type => values[type]));
const comments = fc.option(fc.stringMatching(/^[a-z0-9 :=/.-]{1,127}$/), { nil: undefined });
const element = (key: string[], comment?: string): Element => ({ key, ...(comment === undefined ? {} : { comment }) });

describe('types', () => {
  test("have libnftables' numbers, concatenated by six bits", () => {
    expect(typeId(['ipv4_addr'])).toBe(7);
    expect(typeId(['ifname', 'ifname'])).toBe(0xa69);
    expect(typeId(['inet_proto', 'inet_service'])).toBe(0x30d);
    expect(typesOf(0x30d)).toEqual(['inet_proto', 'inet_service']);
    expect(typesOf(60)).toBeUndefined();
    expect(layoutOf(['inet_service']).size).toBe(2);
    expect(layoutOf(['inet_proto', 'inet_service']).size).toBe(8);
  });

  test.each<[DataTypeName, string, string]>([
    ['inet_proto', 'tcp', '06'],
    ['inet_service', '8080', '1f90'],
    ['mark', '0x00000010', '10000000'],
    ['ct_state', 'established,related', '06000000'],
    ['ct_state', '0x80000000', '00000080'],
    ['ether_addr', '02:00:00:00:00:0a', '02000000000a'],
    ['fib_addrtype', 'local', '02000000'],
    ['icmp_type', 'echo-request', '08'],
  ])('%s %s', (name, text, hex) => {
    expect(DATA_TYPES[name].parse(text).toHex()).toBe(hex);
    expect(DATA_TYPES[name].format(Uint8Array.fromHex(hex))).toBe(text);
  });

  test.each<[DataTypeName, string]>([
    ['inet_proto', 'nonsense'],
    ['inet_proto', '256'],
    ['inet_service', '-1'],
    ['inet_service', '1e3'],
    ['inet_service', ''],
    ['ct_state', 'new,old'],
    ['ifname', ''],
    ['ipv4_addr', '::'],
  ])('%s cannot be %j', (name, text) => {
    expect(() => DATA_TYPES[name].parse(text)).toThrow(RangeError);
  });
});

describe('elements', () => {
  test('of any type come back from the bytes', () => {
    const cases = types.chain(key => fc.tuple(fc.constant(key), keys(key), comments));
    fc.assert(
      fc.property(cases, ([types, key, comment]) => {
        const named = set(of, 's', types);
        expect(decodeElements(named, encodeElement(named, element(key, comment), true))).toEqual([
          element(key, comment),
        ]);
      }),
    );
  });

  test('with data come back from the bytes', () => {
    const cases = fc
      .tuple(types, types)
      .chain(([key, data]) => fc.tuple(fc.constant([key, data] as const), keys(key), keys(data)));
    fc.assert(
      fc.property(cases, ([[keyTypes, dataTypes], key, data]) => {
        const named = map(of, 'm', keyTypes, dataTypes);
        expect(decodeElements(named, encodeElement(named, { key, data }, true))).toEqual([{ key, data }]);
      }),
    );
    const verdicts = map(of, 'v', ['ifname'], 'verdict');
    for (const data of ['drop', { jump: 'c' }] as const) {
      expect(decodeElements(verdicts, encodeElement(verdicts, { key: ['br0'], data }, true))).toEqual([
        { key: ['br0'], data },
      ]);
    }
  });

  test('concatenations of intervals come back from the bytes', () => {
    const named = set(of, 's', ['ifname', 'ipv4_addr', 'inet_service'], { interval: true });
    fc.assert(
      fc.property(fc.tuple(names, fc.oneof(ipv4, ipv4Prefixes), fc.oneof(values.inet_service, portRanges)), key => {
        expect(decodeElements(named, encodeElement(named, element(key), true))).toEqual([element(key)]);
      }),
    );
  });

  test('intervals that lie side by side, in any order, stay apart', () => {
    const named = set(of, 's', ['inet_service'], { interval: true });
    const cuts = fc
      .uniqueArray(fc.nat(65535), { minLength: 2, maxLength: 20 })
      .map(list => list.toSorted((a, b) => a - b));
    fc.assert(
      fc.property(cuts, fc.infiniteStream(fc.nat()), (points, shuffle) => {
        const wanted = points.slice(1).map((to, i) => {
          const from = points[i] ?? 0;
          return element([from === to - 1 ? String(from) : `${from}-${to - 1}`]);
        });
        const wire = wanted
          .flatMap(e => encodeElement(named, e, true))
          .map(e => ({ e, at: shuffle.next().value ?? 0 }));
        wire.sort((a, b) => a.at - b.at);
        expect(
          decodeElements(
            named,
            wire.map(({ e }) => e),
          ),
        ).toEqual(wanted);
      }),
    );
  });

  test('the last interval of all has no end', () => {
    const named = set(of, 's', ['ipv4_addr'], { interval: true });
    const wire = encodeElement(named, element(['224.0.0.0/3']), true);
    expect(wire).toHaveLength(1);
    expect(wire[0]?.userdata?.toHex()).toBe('010401000000');
    expect(decodeElements(named, wire)).toEqual([element(['224.0.0.0/3'])]);
    const all = encodeElement(named, element(['0.0.0.0/0']), true);
    expect(decodeElements(named, all)).toEqual([element(['0.0.0.0/0'])]);
  });

  test('are the same whatever their text', () => {
    const named = set(of, 's', ['ipv4_addr'], { interval: true });
    const key = (text: string) => keyOf(named, element([text]));
    expect(key('10.1.2.3/8')).toBe(key('10.0.0.0-10.255.255.255'));
    expect(key('10.0.0.0/9')).not.toBe(key('10.0.0.0/8'));
  });

  test.each<[NamedSet, Element, string]>([
    [set(of, 's', ['ifname', 'ifname']), element(['br0']), 'element br0 has 1 parts, its type (ifname . ifname) 2'],
    [set(of, 's', ['ipv4_addr']), element(['10.0.0.0/8']), 'not an IP address: "10.0.0.0/8"'],
    [set(of, 's', ['ipv4_addr'], { interval: true }), element(['fd00::/8']), 'prefix of another kind of address'],
    [set(of, 's', ['ipv4_addr'], { interval: true }), element(['10.0.0.9-10.0.0.1']), 'ends before it begins'],
    [set(of, 's', ['ipv4_addr'], { interval: true }), element(['nonsense']), 'not an IP address'],
    [set(of, 's', ['ifname']), { key: ['br0'], data: 'drop' }, 's is a set, not a map'],
    [map(of, 'm', ['ifname'], 'verdict'), element(['br0']), 'm is a map'],
    [map(of, 'm', ['ifname'], 'verdict'), { key: ['br0'], data: ['10.0.0.1'] }, 'is no verdict'],
    [map(of, 'm', ['ifname'], ['ipv4_addr']), { key: ['br0'], data: 'drop' }, 'is a verdict, its type ipv4_addr'],
  ])('%# refused: %j', (named, bad, message) => {
    expect(() => encodeElement(named, bad, true)).toThrow(message);
  });

  test('bytes that are no element are malformed', () => {
    const plain = set(of, 's', ['ifname', 'ipv4_addr']);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), fc.boolean(), (value, interval) => {
        const named = { ...plain, interval };
        try {
          decodeElements(named, [{ key: { value }, keyEnd: { value: value.slice(1) }, userdata: value }]);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedMessage);
        }
      }),
    );
    expect(() => decodeElements(plain, [{}])).toThrow(MalformedMessage);
  });
});
