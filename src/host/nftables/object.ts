/** The objects of nftables as data: tables, chains, sets and maps, their elements, rules. */
import type { DataTypeName } from './datatype.ts';
import type { Verdict } from './expression.ts';
import type { Statement } from './statement.ts';

export type Family = 'ip' | 'ip6' | 'inet' | 'arp' | 'bridge' | 'netdev';

/** A table is found by its family and its name. */
export interface TableName {
  family: Family;
  table: string;
}

export interface Table extends TableName {
  kind: 'table';
  /** Only the process that made it can change it (nft's `flags owner`): it is read, never written. */
  owned?: true;
  /** Asleep (nft's `flags dormant`): no packet comes to its chains. It is read; whatever is written is awake. */
  dormant?: true;
  comment?: string;
}

/** A chain is found by its table and its name. */
export interface ChainName extends TableName {
  chain: string;
}

export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** Where packets enter a base chain. */
export interface BaseChain {
  type: 'filter' | 'nat' | 'route';
  hook: Hook;
  /** Chains of one hook are run in this order: -100 is `dstnat`, 0 `filter`, 100 `srcnat`. */
  priority: number;
  /** What becomes of packets on which no rule has decided. */
  policy: 'accept' | 'drop';
}

export interface Chain extends ChainName {
  kind: 'chain';
  base?: BaseChain;
  comment?: string;
}

/** A set, or with `data` a map. */
export interface NamedSet extends TableName {
  kind: 'set';
  set: string;
  /** The type of an element; several are a concatenation. */
  key: DataTypeName[];
  /** Elements may be prefixes and ranges. */
  interval: boolean;
  data?: DataTypeName[] | 'verdict';
  comment?: string;
}

export interface Element {
  /** A text for each part of the key: `['br0', '10.0.0.0/8']`. */
  key: string[];
  /** What a map holds for that key. */
  data?: string[] | Verdict;
  comment?: string;
}

/** Elements of one set. */
export interface Elements {
  kind: 'elements';
  set: NamedSet;
  elements: Element[];
}

export interface Rule extends ChainName {
  kind: 'rule';
  statements: Statement[];
  comment?: string;
  /** What it was made from, kept with it in the kernel, so that it can be known again without being understood. */
  digest?: string;
  /** The kernel's number for a rule that exists; unique in its table. */
  handle?: number;
}

export type NftObject = Table | Chain | NamedSet | Elements | Rule;

const comment = (text: string | undefined): { comment?: string } =>
  text === undefined ? {} : { comment: checkComment(text) };

/** A table, or the name of one: `table('inet', 'kukeon', 'mine')`. */
export function table(family: Family, name: string, note?: string): Table {
  return { kind: 'table', family, table: checkName(name), ...comment(note) };
}

/** A chain; without `base` it is run only by jumps. */
export function chain(of: TableName, name: string, base?: BaseChain, note?: string): Chain {
  const { family, table } = of;
  return { kind: 'chain', family, table, chain: checkName(name), ...(base && { base }), ...comment(note) };
}

export interface SetOptions {
  interval?: boolean;
  data?: DataTypeName[] | 'verdict';
  comment?: string;
}

/** `set(table, 'pairs', ['ifname', 'ifname'])`. */
export function set(of: TableName, name: string, key: DataTypeName[], options: SetOptions = {}): NamedSet {
  const { family, table } = of;
  const { interval = false, data } = options;
  return {
    kind: 'set',
    family,
    table,
    set: checkName(name),
    key,
    interval,
    ...(data && { data }),
    ...comment(options.comment),
  };
}

/** `map(table, 'chains', ['ifname'], 'verdict')`. */
export function map(of: TableName, name: string, key: DataTypeName[], data: DataTypeName[] | 'verdict'): NamedSet {
  return set(of, name, key, { data });
}

export function elements(of: NamedSet, list: Element[]): Elements {
  return { kind: 'elements', set: of, elements: list };
}

/**
 * A rule of a chain, which may be someone else's. For iptables-nft to go on understanding a chain of its own, use only fields of
 * `meta` and of headers there (`iifname`, `ip saddr`, ...), counter and verdicts: already `ct state` makes it refuse the whole table.
 */
export function rule(of: ChainName, statements: Statement[], note?: string): Rule {
  const { family, table, chain } = of;
  return { kind: 'rule', family, table, chain, statements, ...comment(note) };
}

/** Throws a RangeError on a name that nft(8) could not be given back; the kernel itself would take it. */
export function checkName(name: string): string {
  if (!/^[a-z_.][a-z0-9_./-]{0,254}$/i.test(name)) throw new RangeError(`not a name for nft: ${JSON.stringify(name)}`);
  return name;
}

const MAX_COMMENT = 127;

/** Throws a RangeError on a comment that nft(8) would cut or could not be given back. */
export function checkComment(text: string): string {
  const length = Buffer.byteLength(text);
  if (length > MAX_COMMENT) throw new RangeError(`comment of ${length} bytes; ${MAX_COMMENT} are the most: ${text}`);
  if (/["\p{Cc}]/u.test(text)) throw new RangeError(`not a comment for nft: ${JSON.stringify(text)}`);
  return text;
}
