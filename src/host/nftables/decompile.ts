/** From the kernel's expressions back to statements; what is not recognised stays as it is, as `raw`. */
import { AF_INET, formatAddress, formatPrefix, prefixMask } from '../netlink/inet.ts';
import {
  CMP,
  knownIn,
  LOOKUP_INVERTED,
  learn,
  NAT_ADDRESS,
  NAT_FULLY_RANDOM,
  NAT_PORT,
  NAT_TYPE,
  RANGE_NEQ,
  registerAt,
  slotsOf,
  VERDICT_REGISTER,
} from './compile.ts';
import { DATA_TYPES } from './datatype.ts';
import { decodeVerdict, type Expression } from './expression.ts';
import type { Family } from './object.ts';
import {
  definition,
  isAddress,
  type Known,
  networkMatch,
  type Selector,
  selectorOf,
  selectorType,
  swapAfter,
} from './selector.ts';
import { type Match, type Nat, type Operator, REJECT_WITH, type Reject, type Statement } from './statement.ts';

/** What a pattern recognised: a statement, and how many expressions it is made of. */
interface Recognised {
  statement: Statement;
  used: number;
}

const FIRST = registerAt(0);

/** The statements of a rule in a table of that family. Never throws on what the kernel sent. */
export function decompile(family: Family, expressions: readonly Expression[]): Statement[] {
  const known = knownIn(family);
  const statements: Statement[] = [];
  // Matches that told something new: only such a one can have been put there for the field after it.
  const informative = new Set<Statement>();
  for (let at = 0; at < expressions.length; ) {
    const rest = expressions.slice(at);
    const found = recognise(rest, known);
    const [expression] = rest;
    if (found) {
      const { statement } = found;
      dropImplied(statements, informative, statement, known);
      statements.push(statement);
      if (statement.type === 'match' && statement.operator === '==' && learn(known, statement))
        informative.add(statement);
    } else if (expression) {
      statements.push({ type: 'raw', expression });
    }
    at += found?.used ?? 1;
  }
  return statements;
}

/** Removes the matches before a statement that its fields imply, as nft(8) does when it lists rules. */
function dropImplied(
  statements: Statement[],
  informative: ReadonlySet<Statement>,
  next: Statement,
  known: Known,
): void {
  for (const selector of selectorsOf(next).toReversed()) {
    const { network, transport } = definition(selector);
    const ofNetwork = network === undefined ? [] : [networkMatch(network, known)];
    for (const { left, right } of [{ left: 'meta l4proto', right: transport }, ...ofNetwork]) {
      const last = statements.at(-1);
      const isImplied = last?.type === 'match' && last.left === left && last.right === right && informative.has(last);
      if (isImplied) statements.pop();
    }
  }
}

/** The fields that a statement looks at. */
function selectorsOf(statement: Statement): readonly Selector[] {
  if (statement.type === 'match') return [statement.left];
  if (statement.type === 'lookup' || statement.type === 'vmap') return statement.left;
  const isMapped = (statement.type === 'dnat' || statement.type === 'snat') && 'map' in statement.to;
  return isMapped && 'map' in statement.to ? statement.to.left : [];
}

function recognise(rest: readonly Expression[], known: Known): Recognised | undefined {
  const [first] = rest;
  switch (first?.kind) {
    case 'counter': {
      const { packets = 0, bytes = 0 } = first.data ?? {};
      return { statement: { type: 'counter', packets, bytes }, used: 1 };
    }
    case 'immediate':
      return recogniseImmediate(rest, first.data);
    case 'masq': {
      const { flags = 0, protoMin } = first.data ?? {};
      if (protoMin !== undefined || (flags !== 0 && flags !== NAT_FULLY_RANDOM)) return undefined;
      return { statement: { type: 'masquerade', random: flags !== 0 }, used: 1 };
    }
    case 'reject':
      return recogniseReject(first.data);
    default:
      return recogniseLoads(rest, known);
  }
}

type DataOf<K extends Expression['kind']> = Extract<Expression, { kind: K }>['data'];

function recogniseReject(data: DataOf<'reject'>): Recognised | undefined {
  const { type, code = 0 } = data ?? {};
  const names = Object.keys(REJECT_WITH) as Reject['with'][];
  const name = names.find(candidate => REJECT_WITH[candidate].type === type && REJECT_WITH[candidate].code === code);
  return name && { statement: { type: 'reject', with: name }, used: 1 };
}

function recogniseImmediate(rest: readonly Expression[], data: DataOf<'immediate'>): Recognised | undefined {
  if (data?.dreg === VERDICT_REGISTER) {
    const verdict = decodeVerdict(data.data);
    return verdict && { statement: { type: 'verdict', verdict }, used: 1 };
  }
  const address = data?.dreg === FIRST ? data.data?.value : undefined;
  if (!address) return undefined;
  const [, second, third] = rest;
  const port =
    second?.kind === 'immediate' && second.data?.dreg === registerAt(4) ? second.data.data?.value : undefined;
  const nat = recogniseNat(port ? third : second);
  if (!nat || address.length !== (nat.family === 'ip' ? 4 : 16)) return undefined;
  if (nat.protoMin !== (port ? registerAt(4) : undefined)) return undefined;
  const to = { address: formatAddress(address), ...(port && { port: Number(DATA_TYPES.inet_service.format(port)) }) };
  return { statement: { type: nat.type, family: nat.family, to }, used: port ? 3 : 2 };
}

function recogniseNat(expression: Expression | undefined) {
  if (expression?.kind !== 'nat' || expression.data === undefined) return undefined;
  const { type, family, addressMin, addressMax = FIRST, protoMin, protoMax = protoMin, flags = 0 } = expression.data;
  if (addressMin !== FIRST || addressMax !== FIRST || protoMax !== protoMin) return undefined;
  if ((flags & ~(NAT_ADDRESS | NAT_PORT)) !== 0) return undefined;
  const name: Nat['type'] = type === NAT_TYPE.dnat ? 'dnat' : 'snat';
  return { type: name, family: family === AF_INET ? ('ip' as const) : ('ip6' as const), protoMin };
}

/** Fields that are loaded one behind the other, and what is done with them. */
function recogniseLoads(rest: readonly Expression[], known: Known): Recognised | undefined {
  const left: Selector[] = [];
  let slot = 0;
  let partial: number | undefined;
  let used = 0;
  for (let expression = rest[0]; expression !== undefined; expression = rest[used]) {
    const load = slot > 15 ? undefined : selectorOf(expression, known);
    if (load?.dreg !== registerAt(Math.min(slot, 15))) break;
    const swap = swapAfter(load.selector, load.dreg);
    if (!Bun.deepEquals(rest.slice(used + 1, used + 1 + swap.length), swap)) break;
    used += 1 + swap.length;
    left.push(load.selector);
    const type = selectorType(load.selector);
    if (load.length !== type.size) partial = load.length;
    slot += slotsOf(type);
  }
  const [first, ...more] = left;
  if (first === undefined) return undefined;
  const after = rest.slice(used);
  const [next, second] = after;
  let found: Recognised | undefined;
  if (partial === undefined && next?.kind === 'lookup') found = recogniseLookup(left, next.data, second);
  else if (more.length === 0) found = recogniseMatch(first, partial, after);
  return found && { ...found, used: found.used + used };
}

function recogniseLookup(
  left: Selector[],
  data: DataOf<'lookup'>,
  next: Expression | undefined,
): Recognised | undefined {
  const { set, sreg, dreg, flags = 0 } = data ?? {};
  if (set === undefined || sreg !== FIRST) return undefined;
  if (dreg === undefined) {
    return { statement: { type: 'lookup', left, set, negated: (flags & LOOKUP_INVERTED) !== 0 }, used: 1 };
  }
  if (dreg === VERDICT_REGISTER) return { statement: { type: 'vmap', left, map: set }, used: 1 };
  const nat = recogniseNat(next);
  if (!nat) return undefined;
  if (nat.protoMin !== undefined && nat.protoMin !== registerAt(nat.family === 'ip' ? 1 : 4)) return undefined;
  const to = { left, map: set, withPort: nat.protoMin !== undefined };
  return { statement: { type: nat.type, family: nat.family, to }, used: 2 };
}

const OPERATORS = Object.keys(CMP) as Operator[];

function comparison(expression: Expression | undefined): { operator: Operator; value: Uint8Array } | undefined {
  if (expression?.kind !== 'cmp' || expression.data?.sreg !== FIRST) return undefined;
  const { operation, data } = expression.data;
  const operator = OPERATORS.find(name => CMP[name] === operation);
  return operator && data?.value && { operator, value: data.value };
}

function recogniseMatch(
  left: Selector,
  partial: number | undefined,
  [next, second]: readonly Expression[],
): Recognised | undefined {
  const type = selectorType(left);
  const whole = (match: Omit<Match, 'type' | 'left'>, used: number): Recognised => ({
    statement: { type: 'match', left, ...match },
    used,
  });
  if (next?.kind === 'bitwise' && partial === undefined) return recogniseMasked(left, next.data, second);
  if (next?.kind === 'range' && partial === undefined) {
    const { sreg, operation, from, to } = next.data ?? {};
    if (sreg !== FIRST || from?.value?.length !== type.size || to?.value?.length !== type.size) return undefined;
    const right = `${type.format(from.value)}-${type.format(to.value)}`;
    return whole({ operator: operation === RANGE_NEQ ? '!=' : '==', right }, 1);
  }
  const compared = comparison(next);
  if (!compared) return undefined;
  const { operator, value } = compared;
  if (partial !== undefined) {
    if (value.length !== partial) return undefined;
    const address = new Uint8Array(type.size);
    address.set(value);
    return whole({ operator, right: formatPrefix({ address, length: partial * 8 }) }, 1);
  }
  const upper = comparison(second);
  if (operator === '>=' && upper?.operator === '<=' && value.length === type.size && upper.value.length === type.size) {
    return whole({ operator: '==', right: `${type.format(value)}-${type.format(upper.value)}` }, 2);
  }
  if (type === DATA_TYPES.ifname && value.length < type.size) {
    // Without a NUL, anything may follow; iptables ends a whole name with one, without the padding.
    return whole({ operator, right: value.includes(0) ? type.format(value) : `${type.format(value)}*` }, 1);
  }
  return value.length === type.size ? whole({ operator, right: type.format(value) }, 1) : undefined;
}

/** A field under a mask: a prefix, some flags, or just that. */
function recogniseMasked(
  left: Selector,
  data: DataOf<'bitwise'>,
  next: Expression | undefined,
): Recognised | undefined {
  const compared = comparison(next);
  const type = selectorType(left);
  const mask = data?.mask?.value;
  if (!compared || !mask || data.sreg !== FIRST || data.dreg !== FIRST || (data.operation ?? 0) !== 0) return undefined;
  if (mask.length !== type.size || compared.value.length !== type.size) return undefined;
  if (data.xor?.value?.some(byte => byte !== 0)) return undefined;
  const { operator, value } = compared;
  const match = (rest: Omit<Match, 'type' | 'left'>): Recognised => ({
    statement: { type: 'match', left, ...rest },
    used: 2,
  });
  if (type.flags) {
    if (operator !== '!=' || value.some(byte => byte !== 0)) return undefined;
    return match({ operator: '==', right: type.format(mask) });
  }
  const length = mask.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
  if (isAddress(left) && Buffer.compare(prefixMask(type.size, length), mask) === 0) {
    return match({ operator, right: formatPrefix({ address: value, length }) });
  }
  return match({ mask: type.format(mask), operator, right: type.format(value) });
}
