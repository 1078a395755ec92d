/** Elements of sets and maps: keys, concatenations, intervals, data, between text and the kernel's form. */
import { MalformedMessage } from '../netlink/bytes.ts';
import { parsePrefix, prefixMask } from '../netlink/inet.ts';
import { DATA_TYPES, type DataType, type DataTypeName, isValue, layoutOf, parseRange } from './datatype.ts';
import { decodeVerdict, encodeVerdict } from './expression.ts';
import { INTERVAL_END, type WireElement } from './message.ts';
import type { Element, NamedSet } from './object.ts';
import { COMMENT, commentIn, ELEMENT_FLAGS, encodeUserdata } from './userdata.ts';

/** First and last value of an interval. */
interface Interval {
  from: Uint8Array;
  to: Uint8Array;
}

/** One part of a key: a value, or in an interval set also a prefix or a range. */
function parsePart(type: DataType, text: string, interval: boolean): Interval {
  if (!interval || !type.bigEndian || isValue(type, text)) {
    const value = type.parse(text);
    return { from: value, to: value };
  }
  if (type === DATA_TYPES.ipv4_addr || type === DATA_TYPES.ipv6_addr) {
    if (text.includes('/')) return prefixInterval(type, text);
  }
  if (!text.includes('-')) type.parse(text);
  const [from, to] = parseRange(type, text);
  return { from, to };
}

function prefixInterval(type: DataType, text: string): Interval {
  const { address, length } = parsePrefix(text);
  if (address.length !== type.size) throw new RangeError(`${text} is a prefix of another kind of address`);
  const mask = prefixMask(type.size, length);
  return {
    from: address.map((byte, i) => byte & (mask[i] ?? 0)),
    to: address.map((byte, i) => byte | (~(mask[i] ?? 0) & 255)),
  };
}

/** An interval as text: a value, a prefix if it is one, else a range. */
function formatPart(type: DataType, { from, to }: Interval): string {
  if (Buffer.compare(from, to) === 0) return type.format(from);
  if (type === DATA_TYPES.ipv4_addr || type === DATA_TYPES.ipv6_addr) {
    const length = prefixLength(from, to);
    if (length !== undefined) return `${type.format(from)}/${length}`;
  }
  return `${type.format(from)}-${type.format(to)}`;
}

/** The bits that both ends have in common, if all behind them are 0 in the first and 1 in the last. */
function prefixLength(from: Uint8Array, to: Uint8Array): number | undefined {
  const at = from.findIndex((byte, index) => byte !== to[index]);
  const [first = 0, last = 0] = [from[at], to[at]];
  const open = first ^ last;
  const isWhole = (open & (open + 1)) === 0 && (first & open) === 0;
  if (!isWhole || from.subarray(at + 1).some(byte => byte !== 0) || to.subarray(at + 1).some(byte => byte !== 255))
    return undefined;
  return at * 8 + Math.clz32(open) - 24;
}

function parseAll(types: readonly DataTypeName[], texts: readonly string[], interval: boolean, what: string): Interval {
  if (texts.length !== types.length) {
    throw new RangeError(`${what} has ${texts.length} parts, its type (${types.join(' . ')}) ${types.length}`);
  }
  const { parts, size } = layoutOf(types);
  const whole: Interval = { from: new Uint8Array(size), to: new Uint8Array(size) };
  for (const [index, { type, offset }] of parts.entries()) {
    const part = parsePart(type, texts[index] ?? '', interval);
    whole.from.set(part.from, offset);
    whole.to.set(part.to, offset);
  }
  return whole;
}

type Format = (interval: Interval) => string[];

/** Sets hold thousands of elements: what is the same for all of them is found out once. */
function formatterOf(types: readonly DataTypeName[], interval: boolean): Format {
  const { parts, size } = layoutOf(types);
  return ({ from, to }) => {
    if (from.length < size || to.length < size)
      throw new MalformedMessage(`key of ${from.length} bytes, expected ${size}`);
    return parts.map(({ type, offset }) => {
      const end = offset + type.size;
      const first = from.subarray(offset, end);
      return interval ? formatPart(type, { from: first, to: to.subarray(offset, end) }) : type.format(first);
    });
  };
}

/** The bytes of a key, to compare elements by: two texts of one value have the same. */
export function keyOf(set: NamedSet, element: Element): string {
  const { from, to } = parseAll(set.key, element.key, set.interval, `element ${element.key.join(' . ')}`);
  return `${from.toHex()}-${to.toHex()}`;
}

/** What an element holds besides its key, to compare it by: comment and data. */
export function contentOf(set: NamedSet, element: Element): string {
  const data = encodeData(set, element);
  return JSON.stringify([element.comment, data?.value?.toHex(), data?.verdict]);
}

/** Whether the intervals of a set are pairs of elements, start and end, in a tree; concatenations have them in one. */
function hasPairs(set: NamedSet): boolean {
  return set.interval && set.key.length === 1;
}

/** The kernel's elements for one of ours. Throws a RangeError on texts that the set's types cannot hold. */
export function encodeElement(set: NamedSet, element: Element, withData: boolean): WireElement[] {
  const { from, to } = parseAll(set.key, element.key, set.interval, `element ${element.key.join(' . ')}`);
  const isOpen = hasPairs(set) && to.every(byte => byte === 255);
  const wire: WireElement = {
    key: { value: from },
    data: withData ? encodeData(set, element) : undefined,
    userdata: withData
      ? encodeUserdata([
          [COMMENT, element.comment],
          [ELEMENT_FLAGS, isOpen ? 1 : undefined],
        ])
      : undefined,
  };
  if (hasPairs(set)) return isOpen ? [wire] : [wire, { key: { value: successor(to) }, flags: INTERVAL_END }];
  return [set.interval ? { ...wire, keyEnd: { value: to } } : wire];
}

function encodeData(set: NamedSet, { key, data }: Element): WireElement['data'] {
  const what = `data of element ${key.join(' . ')}`;
  if (set.data === undefined) {
    if (data !== undefined) throw new RangeError(`${what}: ${set.set} is a set, not a map`);
    return undefined;
  }
  if (data === undefined) throw new RangeError(`${what} is missing: ${set.set} is a map`);
  if (set.data !== 'verdict') {
    if (!Array.isArray(data)) throw new RangeError(`${what} is a verdict, its type ${set.data.join(' . ')}`);
    return { value: parseAll(set.data, data, false, what).from };
  }
  if (Array.isArray(data)) throw new RangeError(`${what} is no verdict`);
  return encodeVerdict(data);
}

/** The value after this one, as an integer in network byte order. */
function successor(value: Uint8Array): Uint8Array {
  return step(value, 255, 1);
}

function predecessor(value: Uint8Array): Uint8Array {
  return step(value, 0, -1);
}

function step(value: Uint8Array, wrapsAt: number, by: number): Uint8Array {
  const next = value.slice();
  for (let at = next.length - 1; at >= 0; at--) {
    const byte = next[at] ?? 0;
    next[at] = byte + by;
    if (byte !== wrapsAt) break;
  }
  return next;
}

/** Our elements for all of a set's in the kernel. */
export function decodeElements(set: NamedSet, wire: readonly WireElement[]): Element[] {
  const formatKey = formatterOf(set.key, set.interval);
  const formatData = Array.isArray(set.data) ? formatterOf(set.data, false) : undefined;
  const toElement = (element: WireElement, interval: Interval): Element => {
    const comment = commentIn(element.userdata);
    const data = decodeData(set, element, formatData);
    return {
      key: formatKey(interval),
      ...(data === undefined ? {} : { data }),
      ...(comment === undefined ? {} : { comment }),
    };
  };
  if (!hasPairs(set)) {
    return wire.map(element => {
      const from = requireKey(element);
      return toElement(element, { from, to: element.keyEnd?.value ?? from });
    });
  }
  const isEnd = (element: WireElement) => ((element.flags ?? 0) & INTERVAL_END) !== 0;
  // In the order of keys, an end before a start: 10.0.0.0/24 ends where 10.0.1.0/24 begins.
  const sorted = wire.toSorted(
    (a, b) => Buffer.compare(requireKey(a), requireKey(b)) || Number(isEnd(b)) - Number(isEnd(a)),
  );
  const last = new Uint8Array(layoutOf(set.key).size).fill(255);
  return sorted.flatMap((element, index) => {
    if (isEnd(element)) return [];
    const next = sorted[index + 1];
    return [toElement(element, { from: requireKey(element), to: next ? predecessor(requireKey(next)) : last })];
  });
}

/** The bytes of its key, to tell the elements of one set apart. */
export function wireKeyOf(element: WireElement): string {
  return `${requireKey(element).toHex()} ${element.flags ?? 0}`;
}

function requireKey(element: WireElement): Uint8Array {
  const key = element.key?.value;
  if (!key) throw new MalformedMessage('element without a key');
  return key;
}

function decodeData(set: NamedSet, { data }: WireElement, format: Format | undefined): Element['data'] {
  if (set.data === undefined) return undefined;
  if (format === undefined) {
    const verdict = decodeVerdict(data);
    if (verdict === undefined) throw new MalformedMessage(`verdict ${data?.verdict?.code} in map ${set.set}`);
    return verdict;
  }
  const value = data?.value ?? new Uint8Array(0);
  return format({ from: value, to: value });
}
