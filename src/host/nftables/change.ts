/** Changes of the ruleset as data, and the netlink messages that they are. */

import type { ByteWriter, Codec } from '../netlink/bytes.ts';
import { Flag, writeMessage } from '../netlink/message.ts';
import { compile } from './compile.ts';
import { layoutOf, typeId } from './datatype.ts';
import { encodeElement } from './element.ts';
import {
  chainMessage,
  elementsMessage,
  familyNumber,
  hookNumber,
  MESSAGE,
  messageType,
  ruleMessage,
  SET_FLAG,
  setMessage,
  tableMessage,
  VERDICT_LENGTH,
  VERDICT_TYPE,
  type WireElement,
} from './message.ts';
import type { Chain, Element, Elements, NamedSet, NftObject, Rule, Table } from './object.ts';
import {
  COMMENT,
  encodeUserdata,
  RULE_DIGEST,
  SET_COMMENT,
  SET_DATA_BYTE_ORDER,
  SET_KEY_BYTE_ORDER,
} from './userdata.ts';

/**
 * One change. `add` takes what exists as it is (a base chain gets the new policy, a table that is dormant wakes up), `create` fails with EEXIST. A rule is added
 * at the end of its chain, or inserted at its front, or before the rule with the handle `before`.
 */
export type Change =
  | { verb: 'add' | 'create' | 'delete'; object: NftObject }
  | { verb: 'insert'; object: Rule; before?: number }
  | { verb: 'replace'; object: Rule };

export const add = (object: NftObject): Change => ({ verb: 'add', object });
export const create = (object: NftObject): Change => ({ verb: 'create', object });
/** Deletes; a rule by its handle, a table with all that is in it. ENOENT if it is gone. */
export const remove = (object: NftObject): Change => ({ verb: 'delete', object });
export const insert = (object: Rule, before?: number): Change => ({
  verb: 'insert',
  object,
  ...(before === undefined ? {} : { before }),
});
/** Puts a rule in the place of the one whose handle it carries. */
export const replace = (object: Rule): Change => ({ verb: 'replace', object });

/** A message of a batch, to be written. */
export interface ChangeMessage {
  change: Change;
  /** The elements that it carries, one for each of the kernel's: for the error of a single one. */
  elements: Element[];
  write(out: ByteWriter, sequence: number, flags: number): void;
}

/** Elements by message: that many always fit into an attribute's 64 KiB, with keys, data and comments of any length. */
const ELEMENTS_PER_MESSAGE = 100;

/** The messages of a change. Throws a RangeError on what cannot be encoded. */
export function messagesOf(change: Change): ChangeMessage[] {
  const { object } = change;
  switch (object.kind) {
    case 'table':
      return [message(change, tableMessage, encodeTable(object))];
    case 'chain':
      return [message(change, chainMessage, encodeChain(object))];
    case 'set':
      return [message(change, setMessage, encodeSet(object))];
    case 'rule':
      return [message(change, ruleMessage, encodeRule(change, object))];
    case 'elements':
      return elementMessages(change, object);
  }
}

const VERB_FLAGS = {
  add: Flag.CREATE | Flag.APPEND,
  create: Flag.CREATE | Flag.APPEND | Flag.EXCLUSIVE,
  insert: Flag.CREATE,
  replace: Flag.REPLACE,
  delete: 0,
} as const;

function message<T>(change: Change, codec: Codec<T>, value: T, elements: Element[] = []): ChangeMessage {
  const { verb, object } = change;
  const type = messageType(MESSAGE[object.kind][verb === 'delete' ? 'delete' : 'add']);
  // For anything but rules the kernel takes NLM_F_APPEND as nothing.
  const flags = Flag.REQUEST | VERB_FLAGS[verb];
  return {
    change,
    elements,
    write: (out, sequence, more) => writeMessage(out, { type, flags: flags | more, sequence }, codec, value),
  };
}

function encodeTable({ family, table, comment }: Table) {
  return { family: familyNumber(family), table, flags: 0, userdata: encodeUserdata([[COMMENT, comment]]) };
}

function encodeChain({ family, table, chain, base, comment }: Chain) {
  return {
    family: familyNumber(family),
    table,
    chain,
    ...(base && {
      hook: { number: hookNumber(base.hook), priority: base.priority },
      policy: base.policy === 'accept' ? 1 : 0,
      type: base.type,
    }),
    userdata: encodeUserdata([[COMMENT, comment]]),
  };
}

let lastSetId = 0;

/** BYTEORDER_HOST_ENDIAN and BYTEORDER_BIG_ENDIAN in nftables; concatenations and verdicts have none. */
function byteOrder(types: NamedSet['data']): number {
  if (types === undefined || types === 'verdict' || types.length !== 1) return 0;
  return layoutOf(types).parts.every(({ type }) => type.bigEndian) ? 2 : 1;
}

function encodeSet(object: NamedSet) {
  const { family, table, set, key, interval, data, comment } = object;
  const { parts, size } = layoutOf(key);
  if (interval && !parts.some(({ type }) => type.bigEndian)) {
    throw new RangeError(`set ${set}: there are no intervals of ${key.join(' . ')}`);
  }
  const isConcatOfIntervals = interval && parts.length > 1;
  lastSetId = (lastSetId + 1) >>> 0;
  return {
    family: familyNumber(family),
    table,
    set,
    id: lastSetId,
    flags: (interval ? SET_FLAG.interval : 0) | (isConcatOfIntervals ? SET_FLAG.concat : 0) | (data ? SET_FLAG.map : 0),
    keyType: typeId(key),
    keyLength: size,
    ...(data && {
      dataType: data === 'verdict' ? VERDICT_TYPE : typeId(data),
      dataLength: data === 'verdict' ? VERDICT_LENGTH : layoutOf(data).size,
    }),
    description: isConcatOfIntervals ? { concat: parts.map(({ type }) => ({ length: type.size })) } : undefined,
    userdata: encodeUserdata([
      [SET_KEY_BYTE_ORDER, byteOrder(key)],
      [SET_DATA_BYTE_ORDER, data && byteOrder(data)],
      [SET_COMMENT, comment],
    ]),
  };
}

function encodeRule(change: Change, { family, table, chain, statements, comment, digest, handle }: Rule) {
  const place = { family: familyNumber(family), table, chain };
  const byHandle = change.verb === 'delete' || change.verb === 'replace';
  if (byHandle && handle === undefined) throw new RangeError(`${change.verb} rule of ${table} ${chain}: no handle`);
  if (change.verb === 'delete') return { ...place, handle };
  return {
    ...place,
    handle: byHandle ? handle : undefined,
    position: change.verb === 'insert' ? change.before : undefined,
    expressions: compile(family, statements),
    userdata: encodeUserdata([
      [COMMENT, comment],
      [RULE_DIGEST, digest],
    ]),
  };
}

function elementMessages(change: Change, { set, elements }: Elements): ChangeMessage[] {
  const place = { family: familyNumber(set.family), table: set.table, set: set.set };
  const messages: ChangeMessage[] = [];
  for (let at = 0; at < elements.length; at += ELEMENTS_PER_MESSAGE) {
    const wire: WireElement[] = [];
    const sources: Element[] = [];
    for (const element of elements.slice(at, at + ELEMENTS_PER_MESSAGE)) {
      for (const encoded of encodeElement(set, element, change.verb !== 'delete')) {
        wire.push(encoded);
        sources.push(element);
      }
    }
    messages.push(message(change, elementsMessage, { ...place, elements: wire }, sources));
  }
  return messages;
}
