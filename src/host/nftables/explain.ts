/** Objects and changes in nft(8)'s language: the command that a person would type for the same effect. */
import type { Change } from './change.ts';
import { DATA_TYPES, type DataType, type DataTypeName, dataType } from './datatype.ts';
import type { Verdict } from './expression.ts';
import type { Chain, Element, Elements, NamedSet, NftObject, Rule } from './object.ts';
import { type Selector, selectorType } from './selector.ts';
import type { Match, Nat, Statement } from './statement.ts';

/** The change as a shell command: `nft 'add element inet t s { "br0" . "br1" }'`. */
export function explain(change: Change): string {
  return explainAll([change]);
}

/** The same for several that are one transaction: `nft 'add table inet t; add chain inet t c'`. */
export function explainAll(changes: readonly Change[]): string {
  const text = changes.map(describe).join('; ');
  return /^[\w ./-]+$/.test(text) ? `nft ${text}` : `nft '${text.replaceAll("'", "'\\''")}'`;
}

/** The change in nft's language, without the shell's quotes: `add element inet t s { "br0" . "br1" }`. */
export function describe(change: Change): string {
  const { verb, object } = change;
  if (object.kind === 'rule') return describeRule(change, object);
  return `${verb} ${verb === 'delete' ? nameOf(object) : definitionOf(object)}`;
}

/** What an object is called: `chain inet kukeon forward`. Of elements, only their keys. */
export function nameOf(object: NftObject): string {
  switch (object.kind) {
    case 'table':
      return `table ${object.family} ${object.table}`;
    case 'chain':
      return `chain ${object.family} ${object.table} ${object.chain}`;
    case 'set':
      return `${object.data ? 'map' : 'set'} ${object.family} ${object.table} ${object.set}`;
    case 'elements':
      return elementsOf(object, element => formatKey(object.set, element));
    case 'rule': {
      const handle = object.handle === undefined ? '' : ` handle ${object.handle}`;
      return `rule ${object.family} ${object.table} ${object.chain}${handle}`;
    }
  }
}

function definitionOf(object: Exclude<NftObject, Rule>): string {
  switch (object.kind) {
    case 'table':
      return block(nameOf(object), commentStatement(object.comment));
    case 'chain':
      return block(nameOf(object), [...baseOf(object), ...commentStatement(object.comment)]);
    case 'set':
      return block(nameOf(object), [
        `type ${typeOf(object)}`,
        ...(object.interval ? ['flags interval'] : []),
        ...commentStatement(object.comment),
      ]);
    case 'elements':
      return elementsOf(object, element => formatElement(object.set, element));
  }
}

const quote = (text: string): string => `"${text}"`;

const commentStatement = (comment: string | undefined): string[] =>
  comment === undefined ? [] : [`comment ${quote(comment)}`];

function block(head: string, statements: readonly string[]): string {
  return statements.length === 0 ? head : `${head} { ${statements.map(text => `${text};`).join(' ')} }`;
}

function baseOf({ base }: Chain): string[] {
  if (!base) return [];
  return [`type ${base.type} hook ${base.hook} priority ${base.priority}`, `policy ${base.policy}`];
}

function typeOf({ key, data }: NamedSet): string {
  const join = (types: readonly DataTypeName[]) => types.join(' . ');
  if (data === undefined) return join(key);
  return `${join(key)} : ${data === 'verdict' ? data : join(data)}`;
}

function elementsOf({ set, elements }: Elements, format: (element: Element) => string): string {
  return `element ${set.family} ${set.table} ${set.set} { ${elements.map(format).join(', ')} }`;
}

/** A value as nft wants it: only names of interfaces are quoted. */
function formatValue(type: DataType, text: string): string {
  return type === DATA_TYPES.ifname ? quote(text) : text;
}

const formatValues = (types: readonly DataTypeName[], values: readonly string[]): string =>
  values.map((value, index) => formatValue(dataType(types[index] ?? 'ifname'), value)).join(' . ');

function formatKey({ key }: NamedSet, element: Element): string {
  return formatValues(key, element.key);
}

function formatElement(set: NamedSet, element: Element): string {
  const comment = commentStatement(element.comment).map(text => ` ${text}`);
  const { data } = element;
  let value = '';
  if (Array.isArray(data)) value = ` : ${formatValues(Array.isArray(set.data) ? set.data : [], data)}`;
  else if (data !== undefined) value = ` : ${formatVerdict(data)}`;
  return `${formatKey(set, element)}${comment.join('')}${value}`;
}

function formatVerdict(verdict: Verdict): string {
  if (typeof verdict === 'string') return verdict;
  return 'jump' in verdict ? `jump ${verdict.jump}` : `goto ${verdict.goto}`;
}

function describeRule(change: Change, rule: Rule): string {
  const { verb } = change;
  if (verb === 'delete') return `delete ${nameOf(rule)}`;
  const { handle: _, ...unplaced } = rule;
  const place = verb === 'insert' && change.before !== undefined ? { ...rule, handle: change.before } : unplaced;
  return `${verb} ${nameOf(verb === 'replace' ? rule : place)} ${formatRule(rule)}`;
}

/** What a rule does: `iifname @bridges oifname != @bridges drop comment "..."`. */
export function formatRule({ family, statements, comment }: Rule): string {
  return [...statements.map(statement => formatStatement(family, statement)), ...commentStatement(comment)].join(' ');
}

const formatLeft = (left: readonly Selector[]): string => left.join(' . ');

function formatStatement(family: string, statement: Statement): string {
  switch (statement.type) {
    case 'match':
      return formatMatch(statement);
    case 'lookup':
      return `${formatLeft(statement.left)} ${statement.negated ? '!= ' : ''}@${statement.set}`;
    case 'vmap':
      return `${formatLeft(statement.left)} vmap @${statement.map}`;
    case 'counter':
      return statement.packets === 0 && statement.bytes === 0
        ? 'counter'
        : `counter packets ${statement.packets} bytes ${statement.bytes}`;
    case 'verdict':
      return formatVerdict(statement.verdict);
    case 'masquerade':
      return statement.random ? 'masquerade fully-random' : 'masquerade';
    case 'dnat':
    case 'snat':
      return formatNat(family, statement);
    case 'reject':
      return `reject with ${statement.with}`;
    case 'raw':
      return `<${statement.expression.kind === 'other' ? statement.expression.name : statement.expression.kind}>`;
  }
}

function formatMatch({ left, mask, operator, right }: Match): string {
  const value = formatValue(selectorType(left), right);
  if (mask !== undefined) return `${left} & ${mask} ${operator} ${value}`;
  return operator === '==' ? `${left} ${value}` : `${left} ${operator} ${value}`;
}

function formatNat(family: string, { type, family: of, to }: Nat): string {
  const head = family === 'inet' ? `${type} ${of} to` : `${type} to`;
  if ('map' in to) return `${head} ${formatLeft(to.left)} map @${to.map}`;
  if (to.port === undefined) return `${head} ${to.address}`;
  return `${head} ${of === 'ip6' ? `[${to.address}]` : to.address}:${to.port}`;
}
