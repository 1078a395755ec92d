/** From statements to the kernel's expressions: registers, and the matches that a field implies, as nft(8) chooses them. */
import { AF_INET, AF_INET6, parseAddress, parsePrefix, prefixMask } from '../netlink/inet.ts';
import { DATA_TYPES, type DataType, isValue, parseRange } from './datatype.ts';
import { type Expression, encodeVerdict } from './expression.ts';
import type { Family } from './object.ts';
import {
  definition,
  type Known,
  loadExpression,
  networkIn,
  networkMatch,
  type Selector,
  selectorType,
  swapAfter,
} from './selector.ts';
import { type Match, type Nat, REJECT_WITH, type Statement } from './statement.ts';

/** enum nft_cmp_ops */
export const CMP = { '==': 0, '!=': 1, '<': 2, '<=': 3, '>': 4, '>=': 5 } as const;
export const RANGE_NEQ = 1;
export const LOOKUP_INVERTED = 1;
/** NF_NAT_RANGE_PROTO_RANDOM_FULLY and NF_NAT_RANGE_PROTO_SPECIFIED */
export const NAT_FULLY_RANDOM = 16;
export const NAT_PORT = 2;
/** NF_NAT_RANGE_MAP_IPS, which the kernel adds by itself. */
export const NAT_ADDRESS = 1;
export const NAT_TYPE = { snat: 0, dnat: 1 } as const;

const FIRST = 1;
export const VERDICT_REGISTER = 0;

/** The register at 32-bit slot `slot`: four slots are one of NFT_REG_1 to 4, those between have numbers of their own. */
export function registerAt(slot: number): number {
  if (slot > 15) throw new RangeError('too many fields in a concatenation: they must fit into 64 bytes');
  return slot % 4 === 0 ? FIRST + slot / 4 : 8 + slot;
}

/** How many 32-bit slots a value of this type takes. */
export function slotsOf(type: DataType): number {
  return Math.ceil(type.size / 4);
}

/** What the table's family settles before the first match. */
export function knownIn(family: Family): Known {
  if (family === 'ip') return { network: 'ipv4' };
  if (family === 'ip6') return { network: 'ipv6' };
  return family === 'bridge' ? { ethernet: true } : {};
}

/** The expressions of a rule in a table of that family. Throws a RangeError on a value that its field cannot have. */
export function compile(family: Family, statements: readonly Statement[]): Expression[] {
  const known = knownIn(family);
  return statements.flatMap(statement => compileStatement(family, known, statement));
}

function compileStatement(family: Family, known: Known, statement: Statement): Expression[] {
  switch (statement.type) {
    case 'match': {
      const expressions = [...implied(family, known, [statement.left]), ...compileMatch(statement)];
      if (statement.operator === '==') learn(known, statement);
      return expressions;
    }
    case 'lookup': {
      const flags = statement.negated ? LOOKUP_INVERTED : 0;
      const data = { set: statement.set, sreg: FIRST, flags };
      return [...loadAll(family, known, statement.left), { kind: 'lookup', data }];
    }
    case 'vmap': {
      const data = { set: statement.map, sreg: FIRST, dreg: VERDICT_REGISTER };
      return [...loadAll(family, known, statement.left), { kind: 'lookup', data }];
    }
    case 'counter':
      return [{ kind: 'counter', data: { packets: statement.packets, bytes: statement.bytes } }];
    case 'verdict':
      return [{ kind: 'immediate', data: { dreg: VERDICT_REGISTER, data: encodeVerdict(statement.verdict) } }];
    case 'masquerade':
      return [{ kind: 'masq', data: statement.random ? { flags: NAT_FULLY_RANDOM } : {} }];
    case 'dnat':
    case 'snat':
      return compileNat(family, known, statement);
    case 'reject':
      return [{ kind: 'reject', data: REJECT_WITH[statement.with] }];
    case 'raw':
      return [statement.expression];
  }
}

/** Remembers what a match settles, so that it is not checked twice; false if that was known already. */
export function learn(known: Known, { left, right }: Match): boolean {
  const before = { ...known };
  const network = networkIn(left, right, known);
  if (network !== undefined) known.network = network;
  if (left === 'meta l4proto' || left === 'ip protocol') known.transport = right;
  return known.network !== before.network || known.transport !== before.transport;
}

/** The matches that make sure that the packet has these fields at all. */
function implied(family: Family, known: Known, selectors: readonly Selector[]): Expression[] {
  return selectors.flatMap(selector => {
    const { network, transport } = definition(selector);
    const expressions: Expression[] = [];
    if (network !== undefined && known.network !== network) {
      if (family !== 'bridge' && (family !== 'inet' || network === 'arp'))
        throw new RangeError(`${selector} in a table of family ${family}`);
      expressions.push(...compileMatch({ type: 'match', operator: '==', ...networkMatch(network, known) }));
      known.network = network;
    }
    if (transport !== undefined && known.transport !== transport) {
      expressions.push(...compileMatch({ type: 'match', left: 'meta l4proto', operator: '==', right: transport }));
      known.transport = transport;
    }
    return expressions;
  });
}

function loadAll(family: Family, known: Known, selectors: readonly Selector[]): Expression[] {
  let slot = 0;
  const loads = selectors.flatMap(selector => {
    const register = registerAt(slot);
    slot += slotsOf(selectorType(selector));
    return [loadExpression(selector, register), ...swapAfter(selector, register)];
  });
  registerAt(slot - 1);
  return [...implied(family, known, selectors), ...loads];
}

const cmp = (operator: keyof typeof CMP, value: Uint8Array): Expression => ({
  kind: 'cmp',
  data: { sreg: FIRST, operation: CMP[operator], data: { value } },
});

function bitwise(mask: Uint8Array): Expression {
  const xor = { value: new Uint8Array(mask.length) };
  return { kind: 'bitwise', data: { sreg: FIRST, dreg: FIRST, length: mask.length, mask: { value: mask }, xor } };
}

function compileMatch({ left, mask, operator, right }: Match): Expression[] {
  const type = selectorType(left);
  const load = [loadExpression(left, FIRST), ...swapAfter(left, FIRST)];
  const isEquality = operator === '==' || operator === '!=';
  if (type.flags) {
    if (operator !== '==' || mask !== undefined)
      throw new RangeError(`${left} ${operator} ${right}: only == is possible`);
    return [...load, bitwise(type.parse(right)), cmp('!=', new Uint8Array(type.size))];
  }
  if (!isEquality && !type.bigEndian) throw new RangeError(`${left} ${operator} ${right}: only == and != are possible`);
  if (mask !== undefined) return [...load, bitwise(type.parse(mask)), cmp(operator, type.parse(right))];
  if (isEquality && right.includes('/')) return compilePrefix(left, operator, right);
  if (isEquality && type.bigEndian && /.-./.test(right) && !isValue(type, right)) {
    const [from, to] = parseRange(type, right);
    if (operator === '==') return [...load, cmp('>=', from), cmp('<=', to)];
    const data = { sreg: FIRST, operation: RANGE_NEQ, from: { value: from }, to: { value: to } };
    return [...load, { kind: 'range', data }];
  }
  if (isEquality && type === DATA_TYPES.ifname && right.endsWith('*')) {
    // Compared without the NUL, so that anything may follow.
    return [...load, cmp(operator, type.parse(right).subarray(0, Buffer.byteLength(right) - 1))];
  }
  return [...load, cmp(operator, type.parse(right))];
}

/** A prefix of whole bytes is compared as such, any other through a mask. */
function compilePrefix(left: Selector, operator: '==' | '!=', right: string): Expression[] {
  const { address, length } = parsePrefix(right);
  const type = selectorType(left);
  if (address.length !== type.size) throw new RangeError(`${left} ${right}: another kind of address`);
  const mask = prefixMask(type.size, length);
  const network = address.map((byte, i) => byte & (mask[i] ?? 0));
  if (length % 8 === 0 && length > 0) {
    const bytes = length / 8;
    return [loadExpression(left, FIRST, bytes), cmp(operator, network.subarray(0, bytes))];
  }
  return [loadExpression(left, FIRST), bitwise(mask), cmp(operator, network)];
}

function compileNat(family: Family, known: Known, { type, family: of, to }: Nat): Expression[] {
  const isIPv4 = of === 'ip';
  const nat = { type: NAT_TYPE[type], family: isIPv4 ? AF_INET : AF_INET6, addressMin: FIRST };
  if ('map' in to) {
    const load = loadAll(family, known, to.left);
    const data = { set: to.map, sreg: FIRST, dreg: FIRST };
    const port = to.withPort ? { protoMin: registerAt(isIPv4 ? 1 : 4) } : {};
    return [...load, { kind: 'lookup', data }, { kind: 'nat', data: { ...nat, ...port } }];
  }
  const value = parseAddress(to.address);
  if (value.length !== (isIPv4 ? 4 : 16))
    throw new RangeError(`${type} ${of} to ${to.address}: another kind of address`);
  const address: Expression = { kind: 'immediate', data: { dreg: FIRST, data: { value } } };
  if (to.port === undefined) return [address, { kind: 'nat', data: nat }];
  const portValue = { value: DATA_TYPES.inet_service.parse(String(to.port)) };
  const port: Expression = { kind: 'immediate', data: { dreg: registerAt(4), data: portValue } };
  return [address, port, { kind: 'nat', data: { ...nat, protoMin: registerAt(4), flags: NAT_PORT } }];
}
