/** The statements of a rule, as data that reads like nft: `[inSet('iifname', 'bridges'), match('ct state', 'new'), drop()]`. */
import type { Expression, Verdict } from './expression.ts';
import type { Selector } from './selector.ts';

export type Operator = '==' | '!=' | '<' | '>' | '<=' | '>=';

/** A comparison: `ip saddr 10.0.0.0/8`, `tcp dport 1000-2000`, `iifname "br-*"`, `ct state established,related`. */
export interface Match {
  type: 'match';
  left: Selector;
  /** Bits of the left side to look at: `meta mark & 0xff == 0x10`. */
  mask?: string;
  operator: Operator;
  right: string;
}

/** Whether a field, or several together (a concatenation), is in a named set. */
export interface Lookup {
  type: 'lookup';
  left: Selector[];
  set: string;
  negated: boolean;
}

/** The verdict that a named map holds for the fields; the next statement if it holds none. */
export interface VerdictMap {
  type: 'vmap';
  left: Selector[];
  map: string;
}

export interface Counter {
  type: 'counter';
  packets: number;
  bytes: number;
}

export interface VerdictStatement {
  type: 'verdict';
  verdict: Verdict;
}

export interface Masquerade {
  type: 'masquerade';
  /** Pick source ports at random (`fully-random`). */
  random: boolean;
}

/** Another destination (dnat) or source (snat): a fixed one, or what a named map holds for some fields. */
export interface Nat {
  type: 'dnat' | 'snat';
  family: 'ip' | 'ip6';
  to: { address: string; port?: number } | { left: Selector[]; map: string; withPort: boolean };
}

export const REJECT_WITH = {
  'tcp reset': { type: 1, code: 0 },
  'icmp net-unreachable': { type: 0, code: 0 },
  'icmp host-unreachable': { type: 0, code: 1 },
  'icmp port-unreachable': { type: 0, code: 3 },
  'icmp admin-prohibited': { type: 0, code: 13 },
  'icmpx no-route': { type: 2, code: 0 },
  'icmpx port-unreachable': { type: 2, code: 1 },
  'icmpx host-unreachable': { type: 2, code: 2 },
  'icmpx admin-prohibited': { type: 2, code: 3 },
} as const;

export interface Reject {
  type: 'reject';
  with: keyof typeof REJECT_WITH;
}

/** An expression of a foreign rule that nothing here makes sense of; it can be read, compared and written back. */
export interface Raw {
  type: 'raw';
  expression: Expression;
}

export type Statement = Match | Lookup | VerdictMap | Counter | VerdictStatement | Masquerade | Nat | Reject | Raw;

const list = (left: Selector | readonly Selector[]): Selector[] => (typeof left === 'string' ? [left] : [...left]);

/** `match('iifname', 'br0')`, `match('tcp dport', '!=', '80')`. The right side may be a prefix, a range or end in `*`. */
export function match(left: Selector, right: string): Match;
export function match(left: Selector, operator: Operator, right: string): Match;
export function match(left: Selector, second: string, third?: string): Match {
  if (third === undefined) return { type: 'match', left, operator: '==', right: second };
  return { type: 'match', left, operator: second as Operator, right: third };
}

/** `inSet(['iifname', 'oifname'], 'pairs')` is nft's `iifname . oifname @pairs`. */
export function inSet(left: Selector | readonly Selector[], set: string): Lookup {
  return { type: 'lookup', left: list(left), set, negated: false };
}

export function notInSet(left: Selector | readonly Selector[], set: string): Lookup {
  return { type: 'lookup', left: list(left), set, negated: true };
}

/** `verdictMap('iifname', 'chains')` is nft's `iifname vmap @chains`. */
export function verdictMap(left: Selector | readonly Selector[], map: string): VerdictMap {
  return { type: 'vmap', left: list(left), map };
}

export function counter(): Counter {
  return { type: 'counter', packets: 0, bytes: 0 };
}

export function verdict(of: Verdict): VerdictStatement {
  return { type: 'verdict', verdict: of };
}

export const accept = (): VerdictStatement => verdict('accept');
export const drop = (): VerdictStatement => verdict('drop');
export const jump = (chain: string): VerdictStatement => verdict({ jump: chain });

export function masquerade({ random = false } = {}): Masquerade {
  return { type: 'masquerade', random };
}

export function dnat(family: Nat['family'], to: Nat['to']): Nat {
  return { type: 'dnat', family, to };
}

export function snat(family: Nat['family'], to: Nat['to']): Nat {
  return { type: 'snat', family, to };
}

/** Before `tcp reset` there has to be a match that leaves only TCP. */
export function reject(reason: Reject['with']): Reject {
  return { type: 'reject', with: reason };
}
