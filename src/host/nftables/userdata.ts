/** User data of nftables' objects: short type-length-values of libnftnl's, by which nft(8) keeps comments (libnftnl/udata.h). */
import { MalformedMessage } from '../netlink/bytes.ts';

/** Types of the values. A comment is 0 for tables, chains, rules and elements, but 7 for sets. */
export const COMMENT = 0;
export const SET_KEY_BYTE_ORDER = 0;
export const SET_DATA_BYTE_ORDER = 1;
export const SET_COMMENT = 7;
/** Of a rule, and of nobody's but ours: nft(8) passes over it. */
export const RULE_DIGEST = 0x6b;
/** Of an element: flags; 1 is an interval without an end. */
export const ELEMENT_FLAGS = 1;

/** Values by type: numbers are written as u32, texts with a NUL. Undefined if there is nothing to write. */
export function encodeUserdata(values: readonly (readonly [type: number, value: number | string | undefined])[]) {
  const parts = values.flatMap(([type, value]) => {
    if (value === undefined) return [];
    const bytes = typeof value === 'string' ? Buffer.from(`${value}\0`) : new Uint8Array(Uint32Array.of(value).buffer);
    return [Uint8Array.of(type, bytes.length), bytes];
  });
  return parts.length === 0 ? undefined : new Uint8Array(Buffer.concat(parts));
}

/** The values by type. Throws MalformedMessage if a length does not fit. */
export function decodeUserdata(bytes: Uint8Array | undefined): Map<number, Uint8Array> {
  const values = new Map<number, Uint8Array>();
  if (bytes === undefined) return values;
  for (let at = 0; at < bytes.length; ) {
    const type = bytes[at] ?? 0;
    const length = bytes[at + 1] ?? 0;
    const end = at + 2 + length;
    if (end > bytes.length || at + 2 > bytes.length)
      throw new MalformedMessage(`user data of ${length} bytes at ${at}`);
    values.set(type, bytes.subarray(at + 2, end));
    at = end;
  }
  return values;
}

const decoder = new TextDecoder();

/** The text of a type in user data; undefined if there is none, or if another program keeps data of another shape there. */
export function commentIn(bytes: Uint8Array | undefined, type = COMMENT): string | undefined {
  try {
    const value = bytes && decodeUserdata(bytes).get(type);
    if (value === undefined) return undefined;
    const end = value.indexOf(0);
    return decoder.decode(end === -1 ? value : value.subarray(0, end));
  } catch (error) {
    if (error instanceof MalformedMessage) return undefined;
    throw error;
  }
}
