/** What is in the kernel's ruleset, decoded to the same objects that are written. */
import { hasCode } from '../errno.ts';
import type { ValueOf } from '../netlink/attributes.ts';
import { string } from '../netlink/bytes.ts';
import type { NetlinkSocket, Request } from '../netlink/socket.ts';
import { typesOf } from './datatype.ts';
import { decompile } from './decompile.ts';
import { decodeElements, encodeElement, wireKeyOf } from './element.ts';
import type { Expression } from './expression.ts';
import {
  chainMessage,
  elementsMessage,
  familyName,
  familyNumber,
  generationMessage,
  hookName,
  MESSAGE,
  messageType,
  ruleMarkMessage,
  ruleMessage,
  SET_FLAG,
  setMessage,
  tableMessage,
  VERDICT_TYPE,
  type WireElement,
} from './message.ts';
import type {
  BaseChain,
  Chain,
  ChainName,
  Element,
  Elements,
  Family,
  NamedSet,
  Rule,
  Table,
  TableName,
} from './object.ts';
import { commentIn, RULE_DIGEST, SET_COMMENT } from './userdata.ts';

const withComment = (userdata: Uint8Array | undefined, type?: number): { comment?: string } => {
  const comment = commentIn(userdata, type);
  return comment === undefined ? {} : { comment };
};

/** The tables of a family, or of all. */
export function listTables(socket: NetlinkSocket, family?: Family): Table[] {
  const value = { family: family && familyNumber(family) };
  const request = { step: 'list tables', type: messageType(MESSAGE.table.get), codec: tableMessage, value };
  return socket.dump(request, message => toTable(tableMessage.read(message.body)));
}

/** A table, or undefined if there is none of that name. */
export function getTable(socket: NetlinkSocket, name: TableName): Table | undefined {
  const found = requestTable(socket, name);
  return found && toTable(found);
}

/** How many chains, sets and other objects are in a table; undefined if there is no such table. */
export function tableUse(socket: NetlinkSocket, name: TableName): number | undefined {
  return requestTable(socket, name)?.use;
}

function requestTable(socket: NetlinkSocket, { family, table }: TableName): ValueOf<typeof tableMessage> | undefined {
  const value = { family: familyNumber(family), table };
  const request = { step: `get table ${family} ${table}`, type: messageType(MESSAGE.table.get), value };
  return requestOne(socket, { ...request, codec: tableMessage });
}

/** The one object that is asked for; undefined if it, or what it is in, is not there. */
function requestOne<T>(socket: NetlinkSocket, request: Request<T>): T | undefined {
  let found: T | undefined;
  try {
    socket.request(request, message => {
      found = request.codec.read(message.body);
    });
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
  return found;
}

/** NFT_TABLE_F_DORMANT and NFT_TABLE_F_OWNER */
const DORMANT = 1;
const OWNED = 2;

function toTable({ family, table = '', flags = 0, userdata }: ValueOf<typeof tableMessage>): Table {
  const owned = (flags & OWNED) !== 0 && { owned: true as const };
  const dormant = (flags & DORMANT) !== 0 && { dormant: true as const };
  return { kind: 'table', family: familyName(family), table, ...owned, ...dormant, ...withComment(userdata) };
}

/** The chains of a table, or of all tables of a family: the kernel gives those of a family in any case. */
export function listChains(socket: NetlinkSocket, of: Pick<TableName, 'family'> & Partial<TableName>): Chain[] {
  const { family, table } = of;
  const value = { family: familyNumber(family) };
  const step = `list chains of ${family}${table === undefined ? '' : ` ${table}`}`;
  const request = { step, type: messageType(MESSAGE.chain.get), codec: chainMessage, value };
  return socket
    .dump(request, message => toChain(family, chainMessage.read(message.body)))
    .filter(chain => table === undefined || chain.table === table);
}

function toChain(family: Family, message: ValueOf<typeof chainMessage>): Chain {
  const base = toBase(family, message);
  const { table = '', chain = '', userdata } = message;
  return { kind: 'chain', family, table, chain, ...(base && { base }), ...withComment(userdata) };
}

/** The base of a chain; hooks that only arp, netdev or newer kernels have are not told apart here. */
function toBase(family: Family, { hook, type, policy }: ValueOf<typeof chainMessage>): BaseChain | undefined {
  if (hook?.number === undefined || family === 'arp' || family === 'netdev') return undefined;
  const name = hookName(hook.number);
  if (name === undefined || (type !== 'filter' && type !== 'nat' && type !== 'route')) return undefined;
  return { type, hook: name, priority: hook.priority ?? 0, policy: policy === 0 ? 'drop' : 'accept' };
}

/** The named sets and maps of a table. Those of types that are not known here are left out. */
export function listSets(socket: NetlinkSocket, { family, table }: TableName): NamedSet[] {
  const value = { family: familyNumber(family), table };
  const step = `list sets of ${family} ${table}`;
  const request = { step, type: messageType(MESSAGE.set.get), codec: setMessage, value };
  return socket.dump(request, message => toSet(family, setMessage.read(message.body))).filter(set => set !== undefined);
}

function toSet(family: Family, message: ValueOf<typeof setMessage>): NamedSet | undefined {
  const { table = '', set = '', flags = 0, keyType = 0, dataType, userdata } = message;
  const key = typesOf(keyType);
  const isMap = (flags & SET_FLAG.map) !== 0;
  const data = dataType === VERDICT_TYPE ? 'verdict' : typesOf(dataType ?? 0);
  if ((flags & (SET_FLAG.anonymous | SET_FLAG.object)) !== 0 || !key || (isMap && !data)) return undefined;
  return {
    kind: 'set',
    family,
    table,
    set,
    key,
    interval: (flags & SET_FLAG.interval) !== 0,
    ...(isMap && data && { data }),
    ...withComment(userdata, SET_COMMENT),
  };
}

/** More do not fit into one message, and what comes in several is numbered anew when the kernel grows its hash table in between. */
const ONE_MESSAGE = 64;

/** The elements of a set; a large one is read until two readings agree. ENOENT if there is no such set. */
export function listElements(socket: NetlinkSocket, set: NamedSet): Element[] {
  let found = readElements(socket, set);
  for (let attempt = 0; found.length > ONE_MESSAGE && attempt < ATTEMPTS; attempt++) {
    const before = keysOf(found);
    found = readElements(socket, set);
    const now = keysOf(found);
    if (now.size === found.length && now.size === before.size && now.isSubsetOf(before)) break;
  }
  return decodeElements(set, found);
}

const keysOf = (elements: readonly WireElement[]): Set<string> => new Set(elements.map(wireKeyOf));

function readElements(socket: NetlinkSocket, set: NamedSet): WireElement[] {
  const value = { family: familyNumber(set.family), table: set.table, set: set.set };
  const step = `list elements of ${set.family} ${set.table} ${set.set}`;
  const request = { step, type: messageType(MESSAGE.elements.get), codec: elementsMessage, value };
  return socket.dump(request, message => elementsMessage.read(message.body).elements ?? []).flat();
}

/** The element with the key of `wanted`, at a cost that does not grow with the set; not of a set of intervals. Undefined if it is not there. */
export function getElement(socket: NetlinkSocket, set: NamedSet, wanted: Element): Element | undefined {
  if (set.interval) throw new RangeError(`get element of ${set.set}: the elements of a set of intervals are listed`);
  const wire = encodeElement(set, wanted, false);
  const value = { family: familyNumber(set.family), table: set.table, set: set.set, elements: wire };
  const step = `get element of ${set.family} ${set.table} ${set.set}`;
  const request = { step, type: messageType(MESSAGE.elements.get), codec: elementsMessage, value };
  return decodeElements(set, requestOne(socket, request)?.elements ?? [])[0];
}

/** The rules of a table or of one chain, in order, with handles. */
export function listRules(socket: NetlinkSocket, of: TableName & Partial<ChainName>): Rule[] {
  const { family, table, chain } = of;
  const value = { family: familyNumber(family), table, chain };
  const step = `list rules of ${family} ${table}${chain === undefined ? '' : ` ${chain}`}`;
  const request = { step, type: messageType(MESSAGE.rule.get), codec: ruleMessage, value };
  return socket.dump(request, message => understood(family, message.body));
}

/** By their bytes: to read a rule takes a twentieth of what it takes to understand it, and most are what they were. */
const known = new Map<string, Rule>();
const MOST_KNOWN = 1024;

function understood(family: Family, body: Uint8Array): Rule {
  // Before that is struct nfgenmsg, with the number of the ruleset's last change.
  const key = `${family} ${Buffer.from(body.buffer, body.byteOffset + 4, body.length - 4).toString('latin1')}`;
  const rule = known.get(key) ?? toRule(family, ruleMessage.read(body));
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(key, rule);
  return rule;
}

function toRule(family: Family, message: ValueOf<typeof ruleMessage>): Rule {
  const { table = '', chain = '', handle, expressions = [], userdata } = message;
  const comment = commentIn(userdata) ?? expressions.map(iptablesComment).find(text => text !== undefined);
  const statements = decompile(
    family,
    expressions.filter(expression => iptablesComment(expression) === undefined),
  );
  const digest = commentIn(userdata, RULE_DIGEST);
  return {
    kind: 'rule',
    family,
    table,
    chain,
    statements,
    ...(comment === undefined ? {} : { comment }),
    ...(digest === undefined ? {} : { digest }),
    ...(handle === undefined ? {} : { handle }),
  };
}

/** Chain and digest of each rule of a table, in order: at a fraction of what it takes to understand them. */
export function listDigests(socket: NetlinkSocket, { family, table }: TableName): Pick<Rule, 'chain' | 'digest'>[] {
  const value = { family: familyNumber(family), table };
  const request = { step: `list rules of ${family} ${table}`, type: messageType(MESSAGE.rule.get), value };
  return socket.dump({ ...request, codec: ruleMarkMessage }, message => {
    const { chain = '', userdata } = ruleMarkMessage.read(message.body);
    const digest = commentIn(userdata, RULE_DIGEST);
    return { chain, ...(digest === undefined ? {} : { digest }) };
  });
}

/** The text of `-m comment`: what iptables-nft makes of a comment when it writes the rule anew (iptables-restore). */
function iptablesComment({ kind, data }: Expression): string | undefined {
  return kind === 'match' && data?.name === 'comment' && data.info ? string.read(data.info) : undefined;
}

/** The number of the ruleset's last change, for `commit`. */
export function readGeneration(socket: NetlinkSocket): number {
  let generation = 0;
  const request = { type: messageType(MESSAGE.generation.get), codec: generationMessage, value: {} };
  socket.request({ step: 'get generation of ruleset', ...request }, message => {
    generation = generationMessage.read(message.body).id ?? 0;
  });
  return generation;
}

/** All that is in a table. */
export interface TableContent {
  table: Table;
  chains: Chain[];
  sets: Elements[];
  rules: Rule[];
}

const ATTEMPTS = 20;

/** A table as it is at one moment, and that moment's generation; without `content` if there is no such table. */
export function readTable(socket: NetlinkSocket, name: TableName): { generation: number; content?: TableContent } {
  return readConsistently(socket, `table ${name.family} ${name.table}`, () => readContent(socket, name));
}

/** What `read` finds in the ruleset, however many readings it takes, at one moment; and that moment's generation. */
export function readConsistently<T>(
  socket: NetlinkSocket,
  what: string,
  read: () => T | undefined,
): { generation: number; content?: T } {
  for (let attempt = 1; ; attempt++) {
    const generation = readGeneration(socket);
    let failure: unknown;
    let content: T | undefined;
    try {
      content = read();
    } catch (error) {
      failure = error;
    }
    if (readGeneration(socket) === generation) {
      if (failure !== undefined) throw failure;
      return { generation, ...(content === undefined ? {} : { content }) };
    }
    if (attempt === ATTEMPTS) throw new Error(`read ${what}: it changes all the time`);
  }
}

function readContent(socket: NetlinkSocket, name: TableName): TableContent | undefined {
  const table = getTable(socket, name);
  return (
    table && {
      table,
      chains: listChains(socket, name),
      sets: listSets(socket, name).map(set => ({ kind: 'elements', set, elements: listElements(socket, set) })),
      rules: listRules(socket, name),
    }
  );
}
