/**
 * All rules of kuke are in tables named `kukeon`: `inet kukeon` and, for what is seen of frames, `bridge kukeon`. A table is made of
 * sections, each of which is one part's own (masquerading, published ports, isolation): chains, sets and rules that are always the same,
 * and elements that come and go. A section appears with its first element and goes with its last; the table goes with its last section.
 * Nothing is locked: a transaction is refused when the ruleset has changed since it was read, and is then planned anew.
 */
import { hasCode } from '../host/errno.ts';
import type { NetlinkSocket } from '../host/netlink/socket.ts';
import { add, type Change, create, remove } from '../host/nftables/change.ts';
import { contentOf, keyOf } from '../host/nftables/element.ts';
import { explainAll } from '../host/nftables/explain.ts';
import {
  getElement,
  getTable,
  listChains,
  listDigests,
  listElements,
  listRules,
  listSets,
  readConsistently,
  type TableContent,
  tableUse,
} from '../host/nftables/list.ts';
import {
  type Chain,
  type Element,
  type Elements,
  elements,
  type NamedSet,
  type NftObject,
  type Rule,
  table,
} from '../host/nftables/object.ts';
import { difference, isSameSet, setsOf, update } from '../host/nftables/reconcile.ts';
import { silent, type Trace } from './plugins/trace.ts';

export const INET = table('inet', 'kukeon');
export const BRIDGE = table('bridge', 'kukeon');

/** What of a section never changes. The names of chains and sets are in no other section. */
export interface Section {
  table: typeof INET;
  chains: Chain[];
  sets: NamedSet[];
  rules: Rule[];
}

export interface Options {
  /** Told of each transaction. */
  trace?: Trace;
}

export interface AddOptions extends Options {
  /** Sets whose elements are nobody's own: one that is there stays as it is. */
  shared?: readonly NamedSet[];
  /** What to do with an element that is there with another comment, or other data: replace it (the default), add others instead, or throw. */
  taken?: (present: Element, wanted: Element, set: NamedSet) => 'replace' | Elements;
}

/**
 * Adds elements, and the section where it is missing or was changed. What it costs does not grow with the elements there are (but it does
 * for sets of intervals, if an element is there already). A function is asked for them at every attempt.
 */
export function addElements(
  socket: NetlinkSocket,
  section: Section,
  wanted: readonly Elements[] | (() => readonly Elements[]),
  { shared = [], taken = () => 'replace', trace = silent }: AddOptions = {},
): Change[] {
  awaken(socket, section.table, { trace });
  const attempt = (changesOf: (one: Elements) => Change[]) => {
    const plan = (): Change[] => {
      const all = typeof wanted === 'function' ? wanted() : wanted;
      const some = all.filter(one => !isEmpty(one));
      const isShared = ({ set }: Elements) => shared.some(one => one.set === set.set);
      const changes = some.flatMap(one => (isShared(one) ? [add(one)] : changesOf(one)));
      return some.length === 0 ? [] : [...repair(socket, section), ...changes];
    };
    return update(socket, plan, telling(trace));
  };
  try {
    return attempt(one => [create(one)]);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
  return attempt(one => settle(socket, one, taken));
}

/**
 * Wakes a table up that somebody has put to sleep (`flags dormant`): its rules are all there, and no packet comes to them. In a transaction
 * of its own, since the kernel takes no new base chain together with that.
 */
export function awaken(socket: NetlinkSocket, of: typeof INET, { trace = silent }: Options = {}): void {
  if (!getTable(socket, of)?.dormant) return;
  update(socket, () => (getTable(socket, of)?.dormant ? [add(of)] : []), telling(trace));
}

const telling = (trace: Trace) => (changes: readonly Change[], run: () => void) =>
  trace === silent ? run() : trace(explainAll(changes), run);

/** Which elements have to be added, and which replaced, where some are there. */
function settle(
  socket: NetlinkSocket,
  { set, elements: wanted }: Elements,
  taken: NonNullable<AddOptions['taken']>,
): Change[] {
  const replaced: Element[] = [];
  const instead: Elements[] = [];
  const added = wanted.filter(element => {
    const present = elementAt(socket, set, element);
    if (present === undefined) return true;
    if (contentOf(set, present) === contentOf(set, element)) return false;
    const how = taken(present, element, set);
    if (how === 'replace') replaced.push(present);
    else instead.push(how);
    return how === 'replace';
  });
  return [
    ...(replaced.length > 0 ? [remove(elements(set, replaced))] : []),
    ...(added.length > 0 ? [create(elements(set, added))] : []),
    ...instead.map(add),
  ];
}

function elementAt(socket: NetlinkSocket, set: NamedSet, element: Element): Element | undefined {
  if (!set.interval) return getElement(socket, set, element);
  try {
    return listElements(socket, set).find(present => keyOf(set, present) === keyOf(set, element));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** What brings back the section where it is not as it should be; elements that are there stay. */
function repair(socket: NetlinkSocket, section: Section): Change[] {
  // Rules hold the sets and chains that they are in or refer to; anybody can have removed the other sets.
  const referred = section.rules.flatMap(({ statements }) => setsOf(statements));
  if (isWhole(socket, section)) return section.sets.filter(({ set }) => !referred.includes(set)).map(add);
  return differenceOf(marked(section), readContent(socket, section));
}

/** By what it was made from a rule is known without being decoded. */
function marked(section: Section): Section {
  return { ...section, rules: section.rules.map(rule => ({ ...rule, digest: digestOf(rule) })) };
}

function digestOf({ statements, comment }: Rule): string {
  return Bun.hash(JSON.stringify([statements, comment])).toString(36);
}

/** Whether the section's chains hold its rules, in its order. */
function isWhole(socket: NetlinkSocket, { table, chains, rules }: Section): boolean {
  const present = listDigests(socket, table);
  return chains.every(({ chain }) => {
    const wanted = rules.filter(rule => rule.chain === chain);
    const found = present.filter(rule => rule.chain === chain);
    return wanted.length === found.length && wanted.every((rule, i) => digestOf(rule) === found[i]?.digest);
  });
}

/** The changes that make a section whole, with the elements that are there. */
function differenceOf(section: Section, present: TableContent | undefined): Change[] {
  const kept = section.sets.map(set => {
    const found = present?.sets.find(one => isSameSet(one.set, set));
    return elements(set, found?.elements ?? []);
  });
  return difference({ ...section, sets: kept }, present);
}

function ownRules(socket: NetlinkSocket, { table, chains }: Section): Rule[] {
  const names = new Set(chains.map(({ chain }) => chain));
  return listRules(socket, table).filter(({ chain }) => names.has(chain));
}

export interface RemoveOptions extends Options {
  /** Called with what goes and what stays, before each attempt. */
  before?: (gone: readonly Elements[], staying: readonly Elements[]) => void;
  /** Of what the section's sets hold: what is to be there in place of what goes. */
  heirs?: (all: readonly Elements[]) => readonly Elements[];
}

/**
 * Removes the elements that `isGone` says yes to, and the section with its last one. `all` is what the section's sets hold, for elements
 * that stay as long as others do.
 */
export function removeElements(
  socket: NetlinkSocket,
  section: Section,
  isGone: (element: Element, set: NamedSet, all: readonly Elements[]) => boolean,
  { before = () => {}, heirs = () => [], trace = silent }: RemoveOptions = {},
): Change[] {
  const plan = (): Change[] => {
    const content = readContent(socket, section);
    if (content === undefined) return [];
    const { sets } = content;
    const pick = (isPicked: (one: boolean) => boolean): Elements[] =>
      sets.map(({ set, elements: list }) =>
        elements(
          set,
          list.filter(element => isPicked(isGone(element, set, sets))),
        ),
      );
    const gone = pick(isIt => isIt);
    const staying = pick(isIt => !isIt);
    before(gone, staying);
    const coming = heirs(sets).filter(one => !isEmpty(one));
    if (coming.length === 0 && staying.every(isEmpty)) return removal(socket, content);
    return [...gone.filter(one => !isEmpty(one)).map(remove), ...coming.map(create)];
  };
  return update(socket, plan, telling(trace));
}

const isEmpty = ({ elements }: Elements): boolean => elements.length === 0;

/** Removes all that is there of a section, and the table if nothing else is in it. */
function removal(socket: NetlinkSocket, content: TableContent): Change[] {
  const { chains, sets, rules } = content;
  if (tableUse(socket, content.table) === chains.length + sets.length) return [remove(content.table)];
  return difference({ ...content, chains: [], sets: [], rules: [] }, { ...content, rules });
}

/** What is there of a section's chains and sets, at one moment; undefined for nothing. */
export function readSection(socket: NetlinkSocket, section: Section): TableContent | undefined {
  const { content } = readConsistently(socket, `section of ${section.table.family} ${section.table.table}`, () =>
    readContent(socket, section),
  );
  return content && (content.chains.length > 0 || content.sets.length > 0) ? content : undefined;
}

/** Also of a table that holds nothing of the section; undefined if there is no table. */
function readContent(socket: NetlinkSocket, section: Section, withElements = true): TableContent | undefined {
  const present = getTable(socket, section.table);
  if (present === undefined) return undefined;
  const isOwn = ({ chain }: Chain) => section.chains.some(one => one.chain === chain);
  const sets = listSets(socket, present).filter(({ set }) => section.sets.some(one => one.set === set));
  return {
    table: present,
    chains: listChains(socket, present).filter(isOwn),
    sets: sets.map(set => elements(set, withElements ? listElements(socket, set) : [])),
    rules: ownRules(socket, section),
  };
}

/**
 * What brings a section to hold exactly these elements, for a transaction (`update`) with other changes in it; none removes it, and nothing
 * is touched where nothing differs. `wanted` is told what is there now, and answers undefined for what is to be left alone.
 */
export function sectionChanges(
  socket: NetlinkSocket,
  section: Section,
  wanted: (present: TableContent | undefined) => readonly Elements[] | undefined,
): Change[] {
  const present = readContent(socket, section);
  const list = wanted(present);
  if (list === undefined) return [];
  if (list.every(one => one.elements.length === 0)) {
    const isThere = present !== undefined && present.chains.length + present.sets.length > 0;
    return isThere ? removal(socket, present) : [];
  }
  const sets = section.sets.map(set => list.find(one => one.set.set === set.set) ?? elements(set, []));
  return difference({ ...marked(section), sets }, present);
}

/** Whether an element that is there with other content will do. */
export type IsFine = (present: Element, wanted: Element, set: NamedSet) => boolean;

/** What there should be of a section with these elements in it, and is not, or is otherwise; empty if all is well. */
export function lacking(
  socket: NetlinkSocket,
  section: Section,
  wanted: readonly Elements[],
  isFine: IsFine = () => false,
): NftObject[] {
  const { content: found = [] } = readConsistently(
    socket,
    `table ${section.table.family} ${section.table.table}`,
    () => [
      ...differenceOf(section, readContent(socket, section, false)).map(({ object }) => object),
      ...wanted.map(one => absent(socket, one, isFine)).filter(one => !isEmpty(one)),
    ],
  );
  return found;
}

/** Those that are not there with this content. */
function absent(socket: NetlinkSocket, { set, elements: wanted }: Elements, isFine: IsFine): Elements {
  const isAbsent = (element: Element) => {
    const present = elementAt(socket, set, element);
    if (present === undefined) return true;
    return contentOf(set, present) !== contentOf(set, element) && !isFine(present, element, set);
  };
  return elements(set, wanted.filter(isAbsent));
}
