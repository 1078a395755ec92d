/** A table as it should be: the changes from what is there, in one transaction, and none if nothing differs. */
import { hasCode } from '../errno.ts';
import type { NetlinkSocket } from '../netlink/socket.ts';
import { add, type Change, insert, remove } from './change.ts';
import { compile } from './compile.ts';
import { contentOf, keyOf } from './element.ts';
import { readGeneration, type TableContent } from './list.ts';
import { type Chain, type Element, type Elements, elements, type NamedSet, type Rule } from './object.ts';
import type { Statement } from './statement.ts';
import { commit } from './transaction.ts';

/** Each failed attempt means that somebody else's transaction went through: with a hundred at once, the last one may lose often. */
const ATTEMPTS = 500;

/**
 * Makes the changes that `plan` finds by reading the ruleset; it is asked anew if that changed meanwhile. Returns the changes. `around` is
 * given each transaction that is tried, to run it.
 */
export function update(
  socket: NetlinkSocket,
  plan: () => Change[],
  around: (changes: readonly Change[], run: () => void) => void = (_, run) => run(),
): Change[] {
  for (let attempt = 1; ; attempt++) {
    const generation = readGeneration(socket);
    try {
      const changes = plan();
      if (changes.length > 0) around(changes, () => commit(socket, changes, { generation }));
      return changes;
    } catch (error) {
      // What was read in parts, while it changed, may well be refused with another error.
      const isStale = hasCode(error, 'ERESTART') || readGeneration(socket) !== generation;
      if (attempt === ATTEMPTS || !isStale) throw error;
    }
  }
}

/**
 * The changes that lead from `present` (undefined: there is no such table) to `desired`, in an order that the kernel takes.
 * Rules, elements, sets and chains that are as they should be stay untouched, counters included. A comment on a table that
 * exists cannot be changed and is not compared.
 */
export function difference(desired: TableContent, present?: TableContent): Change[] {
  const { chains = [], sets = [], rules = [] } = present ?? {};
  const staleChains = chains.filter(chain => !desired.chains.some(wanted => isSameChain(wanted, chain)));
  const staleSets = sets.filter(set => !desired.sets.some(wanted => isSameSet(wanted.set, set.set)));
  const isStaleSet = (name: string) => staleSets.some(({ set }) => set.set === name);
  const isStale = (rule: Rule) =>
    staleChains.some(({ chain }) => chain === rule.chain) || setsOf(rule.statements).some(isStaleSet);

  const ruleChanges = [...new Set([...desired.rules, ...rules].map(rule => rule.chain))].map(chain => {
    const inChain = (rule: Rule) => rule.chain === chain;
    return ruleDifference(desired.rules.filter(inChain), rules.filter(inChain), isStale);
  });
  const elementChanges = desired.sets.map(wanted => {
    const kept = isStaleSet(wanted.set.set) ? undefined : sets.find(({ set }) => set.set === wanted.set.set);
    return elementDifference(wanted, kept?.elements ?? []);
  });
  // A verdict map that goes lets go of the chains that it jumps to only once it is empty.
  const emptied = staleSets.filter(({ elements }) => elements.length > 0).map(remove);

  return [
    ...ruleChanges.flatMap(change => change.removed),
    ...emptied,
    ...elementChanges.flatMap(change => change.removed),
    ...staleSets.map(({ set }) => remove(set)),
    ...staleChains.map(remove),
    ...(present === undefined || sleeps(desired, present) ? [add(desired.table)] : []),
    ...desired.chains.filter(chain => !chains.some(existing => isEqualChain(existing, chain))).map(add),
    ...desired.sets.filter(({ set }) => isNew(set, sets) || isStaleSet(set.set)).map(({ set }) => add(set)),
    ...elementChanges.flatMap(change => change.added),
    ...ruleChanges.flatMap(change => change.added),
  ];
}

/** Whether no packet comes to what should be awake. */
function sleeps(desired: TableContent, present: TableContent): boolean {
  return present.table.dormant === true && desired.table.dormant !== true;
}

const isNew = ({ set }: NamedSet, sets: readonly Elements[]): boolean => !sets.some(present => present.set.set === set);

/** Whether the one can become the other by a change of policy. */
function isSameChain(a: Chain, b: Chain): boolean {
  const placeOf = ({ base }: Chain) => base && [base.type, base.hook, base.priority].join();
  return a.chain === b.chain && placeOf(a) === placeOf(b);
}

function isEqualChain(a: Chain, b: Chain): boolean {
  return isSameChain(a, b) && a.base?.policy === b.base?.policy;
}

export function isSameSet(a: NamedSet, b: NamedSet): boolean {
  const shape = ({ set, key, interval, data }: NamedSet) => JSON.stringify([set, key, interval, data ?? null]);
  return shape(a) === shape(b);
}

/** The sets and maps that statements refer to. */
export function setsOf(statements: readonly Statement[]): string[] {
  return statements.flatMap(statement => {
    if (statement.type === 'lookup') return [statement.set];
    if (statement.type === 'vmap') return [statement.map];
    const isNat = statement.type === 'dnat' || statement.type === 'snat';
    return isNat && 'map' in statement.to ? [statement.to.map] : [];
  });
}

interface Split {
  removed: Change[];
  added: Change[];
}

/** Rules at the chain's start and end that are equal stay; those in between are exchanged. */
function ruleDifference(desired: readonly Rule[], present: readonly Rule[], isStale: (rule: Rule) => boolean): Split {
  const stays = (wanted: Rule | undefined, rule: Rule | undefined): boolean =>
    wanted !== undefined && rule !== undefined && !isStale(rule) && isSameRule(wanted, rule);
  const most = Math.min(desired.length, present.length);
  let head = 0;
  while (head < most && stays(desired[head], present[head])) head++;
  let tail = 0;
  while (tail < most - head && stays(desired.at(-1 - tail), present.at(-1 - tail))) tail++;
  const before = tail === 0 ? undefined : present.at(-tail)?.handle;
  const wanted = desired.slice(head, desired.length - tail);
  return {
    removed: present.slice(head, present.length - tail).map(remove),
    added: wanted.map(rule => (before === undefined ? add(rule) : insert(rule, before))),
  };
}

/** Whether a rule does what is wanted, under the same comment, and with the digest if one is wanted; counts are not compared. */
export function isSameRule(wanted: Rule, rule: Rule): boolean {
  if (wanted.comment !== rule.comment || (wanted.digest !== undefined && wanted.digest !== rule.digest)) return false;
  return codeOf(wanted) === codeOf(rule);
}

const codes = new WeakMap<Rule, string>();

function codeOf(rule: Rule): string {
  const code = codes.get(rule) ?? compiled(rule);
  codes.set(rule, code);
  return code;
}

function compiled({ family, statements }: Rule): string {
  const reset = statements.map(s => (s.type === 'counter' ? { ...s, packets: 0, bytes: 0 } : s));
  return toText(compile(family, reset));
}

function elementDifference({ set, elements: desired }: Elements, present: readonly Element[]): Split {
  const rest = new Map(present.map(element => [keyOf(set, element), element]));
  const removed: Element[] = [];
  const added: Element[] = [];
  const wanted = new Map(desired.map(element => [keyOf(set, element), element]));
  for (const [key, element] of wanted) {
    const existing = rest.get(key);
    rest.delete(key);
    if (existing && contentOf(set, element) === contentOf(set, existing)) continue;
    if (existing) removed.push(existing);
    added.push(element);
  }
  removed.push(...rest.values());
  return {
    removed: removed.length === 0 ? [] : [remove(elements(set, removed))],
    added: added.length === 0 ? [] : [add(elements(set, added))],
  };
}

/** A text that is the same for equal values, bytes included. */
function toText(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (part instanceof Uint8Array ? part.toHex() : part));
}
