/** nf_tables' expressions: the instructions that a rule is made of, as netlink carries them (linux/netfilter/nf_tables.h). */
import { attributes, listOf, type ValueOf, variant } from '../netlink/attributes.ts';
import { bytes, i32be, string, u8, u32be, u64be } from '../netlink/bytes.ts';

/** A value, or what becomes of the packet. */
export const dataCodec = attributes({
  value: [1, bytes],
  verdict: [2, attributes({ code: [1, i32be], chain: [2, string] })],
});

// Each table is complete, so that an expression that nobody here made sense of can still be written as it was read.
const expressionCodec = variant(
  { name: [1, string], data: 2 },
  {
    bitwise: attributes({
      sreg: [1, u32be],
      dreg: [2, u32be],
      length: [3, u32be],
      mask: [4, dataCodec],
      xor: [5, dataCodec],
      operation: [6, u32be],
      data: [7, dataCodec],
    }),
    byteorder: attributes({
      sreg: [1, u32be],
      dreg: [2, u32be],
      operation: [3, u32be],
      length: [4, u32be],
      size: [5, u32be],
    }),
    cmp: attributes({ sreg: [1, u32be], operation: [2, u32be], data: [3, dataCodec] }),
    counter: attributes({ bytes: [1, u64be], packets: [2, u64be] }),
    ct: attributes({ dreg: [1, u32be], key: [2, u32be], direction: [3, u8], sreg: [4, u32be] }),
    fib: attributes({ dreg: [1, u32be], result: [2, u32be], flags: [3, u32be] }),
    immediate: attributes({ dreg: [1, u32be], data: [2, dataCodec] }),
    lookup: attributes({ set: [1, string], sreg: [2, u32be], dreg: [3, u32be], flags: [5, u32be] }),
    // A match of iptables' own (xt_*), with its struct as it is.
    match: attributes({ name: [1, string], revision: [2, u32be], info: [3, bytes] }),
    masq: attributes({ flags: [1, u32be], protoMin: [2, u32be], protoMax: [3, u32be] }),
    meta: attributes({ dreg: [1, u32be], key: [2, u32be], sreg: [3, u32be] }),
    nat: attributes({
      type: [1, u32be],
      family: [2, u32be],
      addressMin: [3, u32be],
      addressMax: [4, u32be],
      protoMin: [5, u32be],
      protoMax: [6, u32be],
      flags: [7, u32be],
    }),
    payload: attributes({
      dreg: [1, u32be],
      base: [2, u32be],
      offset: [3, u32be],
      length: [4, u32be],
      sreg: [5, u32be],
      checksumType: [6, u32be],
      checksumOffset: [7, u32be],
      checksumFlags: [8, u32be],
    }),
    range: attributes({ sreg: [1, u32be], operation: [2, u32be], from: [3, dataCodec], to: [4, dataCodec] }),
    reject: attributes({ type: [1, u32be], code: [2, u8] }),
  },
);

export type Expression = ValueOf<typeof expressionCodec>;

/** NFTA_RULE_EXPRESSIONS. */
export const expressionsCodec = listOf(1, expressionCodec);

/** What becomes of the packet: a verdict, with the chain that `jump` and `goto` lead to. */
export type Verdict = 'accept' | 'drop' | 'return' | 'continue' | { jump: string } | { goto: string };

const CODES = { drop: 0, accept: 1, continue: -1, jump: -3, goto: -4, return: -5 } as const;

export function encodeVerdict(verdict: Verdict): ValueOf<typeof dataCodec> {
  if (typeof verdict === 'string') return { verdict: { code: CODES[verdict] } };
  if ('jump' in verdict) return { verdict: { code: CODES.jump, chain: verdict.jump } };
  return { verdict: { code: CODES.goto, chain: verdict.goto } };
}

/** The verdict in `data`; undefined if it is none of those above (`queue`, say). */
export function decodeVerdict(data: ValueOf<typeof dataCodec> | undefined): Verdict | undefined {
  const { code, chain = '' } = data?.verdict ?? {};
  if (code === CODES.jump) return { jump: chain };
  if (code === CODES.goto) return { goto: chain };
  const plain = ['accept', 'drop', 'return', 'continue'] as const;
  return plain.find(name => CODES[name] === code);
}
