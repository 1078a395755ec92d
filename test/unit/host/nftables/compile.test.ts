import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { compile } from '../../../../src/host/nftables/compile.ts';
import { decompile } from '../../../../src/host/nftables/decompile.ts';
import type { Expression } from '../../../../src/host/nftables/expression.ts';
import type { Family } from '../../../../src/host/nftables/object.ts';
import {
  accept,
  counter,
  dnat,
  drop,
  inSet,
  masquerade,
  match,
  notInSet,
  reject,
  type Statement,
  verdict,
  verdictMap,
} from '../../../../src/host/nftables/statement.ts';
import { statements } from './rules.ts';

/** Expressions in the short form of `nft --debug=netlink`. */
function short(expression: Expression): string {
  const { kind, data } = expression;
  const hex = (value: { value?: Uint8Array | undefined } | undefined) => value?.value?.toHex() ?? '';
  switch (kind) {
    case 'meta':
    case 'ct':
      return `${kind} ${data?.key} => ${data?.dreg}`;
    case 'payload':
      return `payload ${data?.length}b @ ${data?.base} + ${data?.offset} => ${data?.dreg}`;
    case 'cmp':
      return `cmp ${data?.operation} ${data?.sreg} ${hex(data?.data)}`;
    case 'bitwise':
      return `bitwise ${data?.dreg} = ${data?.sreg} & ${hex(data?.mask)} ^ ${hex(data?.xor)}`;
    case 'lookup':
      return `lookup ${data?.sreg} ${data?.set} flags ${data?.flags ?? '-'} => ${data?.dreg ?? '-'}`;
    case 'immediate':
      return `immediate ${data?.dreg} ${hex(data?.data)}${data?.data?.verdict?.code ?? ''} ${data?.data?.verdict?.chain ?? ''}`.trim();
    default:
      return `${kind} ${Object.entries(data ?? {})
        .flat()
        .join(' ')}`.trim();
  }
}

const compiled = (family: Family, ...list: Statement[]): string[] => compile(family, list).map(short);

describe("expressions are nft's own (nft --debug=netlink)", () => {
  test('interfaces, concatenated, in a set', () => {
    expect(compiled('inet', inSet(['iifname', 'oifname'], 'pairs'), accept())).toEqual([
      'meta 6 => 1',
      'meta 7 => 2',
      'lookup 1 pairs flags 0 => -',
      'immediate 0 1',
    ]);
    expect(compiled('inet', notInSet('oifname', 'br'))).toEqual(['meta 7 => 1', 'lookup 1 br flags 1 => -']);
    expect(compiled('inet', verdictMap('iifname', 'vm'))).toEqual(['meta 6 => 1', 'lookup 1 vm flags - => 0']);
  });

  test('of frames: the protocol is that of the frame, a group is compared as a number', () => {
    expect(compiled('bridge', match('iifgroup', '!=', '1-7'), notInSet(['iifgroup', 'ip saddr'], 'own'))).toEqual([
      'meta 21 => 1',
      'byteorder sreg 1 dreg 1 operation 1 length 4 size 4',
      'range sreg 1 operation 1 from [object Object] to [object Object]',
      'meta 1 => 1',
      'cmp 0 1 0800',
      'meta 21 => 1',
      'byteorder sreg 1 dreg 1 operation 1 length 4 size 4',
      'payload 4b @ 1 + 12 => 9',
      'lookup 1 own flags 1 => -',
    ]);
    expect(compiled('bridge', match('arp daddr ip', '10.0.0.1'), match('arp saddr ip', '!=', '10.0.0.2'))).toEqual([
      'payload 2b @ 0 + 12 => 1',
      'cmp 0 1 0806',
      'payload 4b @ 1 + 24 => 1',
      'cmp 0 1 0a000001',
      'payload 4b @ 1 + 14 => 1',
      'cmp 1 1 0a000002',
    ]);
  });

  test('names of interfaces, whole and by their beginning', () => {
    expect(compiled('ip', match('iifname', 'br0'))).toEqual(['meta 6 => 1', `cmp 0 1 62723000${'00'.repeat(12)}`]);
    expect(compiled('ip', match('iifname', '!=', 'kuke-*'))).toEqual(['meta 6 => 1', 'cmp 1 1 6b756b652d']);
  });

  test('addresses: what a field implies is checked once', () => {
    expect(
      compiled('inet', match('ip saddr', '10.1.0.0/17'), match('tcp dport', '80'), match('ip daddr', '10.0.0.1')),
    ).toEqual([
      'meta 15 => 1',
      'cmp 0 1 02',
      'payload 4b @ 1 + 12 => 1',
      'bitwise 1 = 1 & ffff8000 ^ 00000000',
      'cmp 0 1 0a010000',
      'meta 16 => 1',
      'cmp 0 1 06',
      'payload 2b @ 2 + 2 => 1',
      'cmp 0 1 0050',
      'payload 4b @ 1 + 16 => 1',
      'cmp 0 1 0a000001',
    ]);
    expect(compiled('ip', match('ip saddr', '10.0.0.0/8'))).toEqual(['payload 1b @ 1 + 12 => 1', 'cmp 0 1 0a']);
    expect(compiled('inet', inSet(['iifname', 'ip saddr'], 'combo'))).toEqual([
      'meta 15 => 1',
      'cmp 0 1 02',
      'meta 6 => 1',
      'payload 4b @ 1 + 12 => 2',
      'lookup 1 combo flags 0 => -',
    ]);
  });

  test('IPv6 and ICMP', () => {
    expect(compiled('inet', match('ip6 saddr', 'fd00::/9'))).toEqual([
      'meta 15 => 1',
      'cmp 0 1 0a',
      'payload 16b @ 1 + 8 => 1',
      `bitwise 1 = 1 & ff80${'00'.repeat(14)} ^ ${'00'.repeat(16)}`,
      `cmp 0 1 fd${'00'.repeat(15)}`,
    ]);
    expect(compiled('inet', match('icmpv6 type', 'echo-request'))).toEqual([
      'meta 15 => 1',
      'cmp 0 1 0a',
      'meta 16 => 1',
      'cmp 0 1 3a',
      'payload 1b @ 2 + 0 => 1',
      'cmp 0 1 80',
    ]);
  });

  test('states, marks, ranges, local addresses', () => {
    expect(compiled('inet', match('ct state', 'established,related'))).toEqual([
      'ct 0 => 1',
      'bitwise 1 = 1 & 06000000 ^ 00000000',
      'cmp 1 1 00000000',
    ]);
    expect(compiled('inet', { ...match('meta mark', '0x10'), mask: '0xff' })).toEqual([
      'meta 3 => 1',
      'bitwise 1 = 1 & ff000000 ^ 00000000',
      'cmp 0 1 10000000',
    ]);
    expect(compiled('inet', match('th dport', '1000-2000'))).toEqual([
      'payload 2b @ 2 + 2 => 1',
      'cmp 5 1 03e8',
      'cmp 3 1 07d0',
    ]);
    expect(compiled('inet', match('fib daddr type', 'local'))).toEqual([
      'fib dreg 1 result 3 flags 2',
      'cmp 0 1 02000000',
    ]);
  });

  test('translation of addresses', () => {
    expect(compiled('inet', dnat('ip', { left: ['meta l4proto', 'th dport'], map: 'dm', withPort: true }))).toEqual([
      'meta 16 => 1',
      'payload 2b @ 2 + 2 => 9',
      'lookup 1 dm flags - => 1',
      'nat type 1 family 2 addressMin 1 protoMin 9',
    ]);
    expect(compiled('inet', dnat('ip', { address: '10.0.0.3', port: 8081 }))).toEqual([
      'immediate 1 0a000003',
      'immediate 2 1f91',
      'nat type 1 family 2 addressMin 1 protoMin 2 flags 2',
    ]);
    expect(compiled('inet', masquerade({ random: true }), counter())).toEqual([
      'masq flags 16',
      'counter packets 0 bytes 0',
    ]);
  });

  test('ends', () => {
    expect(compiled('inet', reject('tcp reset'))).toEqual(['reject type 1 code 0']);
    expect(compiled('inet', verdict({ goto: 'd' }))).toEqual(['immediate 0 -4 d']);
  });
});

describe('what cannot be is refused', () => {
  test.each<[Statement, string]>([
    [match('iifname', 'kukeon-123456789'), 'not a value of ifname (1 to 15 characters): "kukeon-123456789"'],
    [match('iifname', 'a"b'), 'not a value of ifname'],
    [match('ip saddr', 'fd00::1'), 'not a value of ipv4_addr: "fd00::1"'],
    [match('ip saddr', 'fd00::/8'), 'ip saddr fd00::/8: another kind of address'],
    [match('tcp dport', '65536'), 'not a value of inet_service: "65536"'],
    [match('tcp dport', '20-10'), 'range 20-10 ends before it begins'],
    [match('ct state', '!=', 'new'), 'ct state != new: only == is possible'],
    [match('meta mark', '<', '5'), 'meta mark < 5: only == and != are possible'],
    [dnat('ip', { address: 'fd00::1' }), 'dnat ip to fd00::1: another kind of address'],
    [inSet(['ip6 saddr', 'ip6 daddr', 'iifname', 'oifname', 'tcp dport'], 's'), 'they must fit into 64 bytes'],
  ])('%j', (statement, message) => {
    expect(() => compile('inet', [statement])).toThrow(message);
  });

  test('a field of IPv4 in a table of netdev, one of ARP in a table of inet', () => {
    expect(() => compile('netdev', [match('ip saddr', '10.0.0.1')])).toThrow('ip saddr in a table of family netdev');
    expect(() => compile('inet', [match('arp saddr ip', '10.0.0.1')])).toThrow(
      'arp saddr ip in a table of family inet',
    );
  });
});

describe('reading rules back', () => {
  test.each<Statement[][]>([
    [[inSet(['iifname', 'oifname'], 'pairs'), accept()]],
    [[match('ip saddr', '10.0.0.0/8'), match('tcp dport', '80'), drop()]],
    [[match('ip6 daddr', 'fd00::1'), match('icmpv6 type', 'echo-reply'), counter()]],
    [[match('iifname', 'kuke-*'), match('ct state', 'new'), verdict({ jump: 'c' })]],
    [[dnat('ip6', { address: 'fd00::1', port: 80 })]],
    [[match('meta l4proto', 'tcp'), drop()]],
  ])('%j', list => {
    expect(decompile('inet', compile('inet', list))).toEqual(list);
  });

  test('any rule is read back as one that does the same', () => {
    fc.assert(
      fc.property(statements, list => {
        const expressions = compile('inet', list);
        expect(compile('inet', decompile('inet', expressions))).toEqual(expressions);
      }),
      { numRuns: 2000 },
    );
  });

  test('expressions in any order and number are never more than raw', () => {
    fc.assert(
      fc.property(statements, fc.nat(), fc.nat(), (list, from, to) => {
        const expressions = compile('inet', list);
        const some = expressions
          .slice(from % (expressions.length + 1))
          .toReversed()
          .slice(to % 3);
        expect(
          compile(
            'ip',
            decompile(
              'ip',
              some.filter(e => e.kind === 'lookup'),
            ),
          ),
        ).toBeArray();
        expect(decompile('inet', some)).toBeArray();
      }),
      { numRuns: 500 },
    );
  });

  test('an unknown expression stays as it is', () => {
    const xt: Expression = { kind: 'other', name: 'match', data: Uint8Array.of(1, 2, 3) };
    const read = decompile('ip', [xt, ...compile('ip', [accept()])]);
    expect(read).toEqual([{ type: 'raw', expression: xt }, accept()]);
    expect(compile('ip', read)[0]).toEqual(xt);
  });
});
