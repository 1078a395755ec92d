/** HPACK (RFC 7541): full decoding; encoding as literals that are never indexed, which needs no state. */
import { Http2Error } from './errors.ts';
import { type HeaderField, HeaderTable, sizeOf } from './hpack-table.ts';
import { decodeHuffman } from './huffman.ts';

/** Names in lower case; values of a repeated name joined by a comma (RFC 9110 §5.3). One character per octet. */
export type Headers = Map<string, string>;

/** Of one block when decoded, counted as in the dynamic table: a few octets can stand for much. */
const MAX_LIST_SIZE = 1024 * 1024;

/** Decodes the header blocks of one connection, in the order in which they come. */
export class HpackDecoder {
  readonly #table = new HeaderTable();

  /** `block` is whole, its CONTINUATIONs included. Throws COMPRESSION_ERROR, which is the end of the connection. */
  decode(block: Uint8Array): Headers {
    const headers: Headers = new Map();
    const reader = new BlockReader(block);
    let resizable = true;
    let size = 0;
    while (!reader.done) {
      const first = reader.peek();
      // A change of the table's size may only stand in front (RFC 7541 §4.2).
      if (first >> 5 === 1) {
        if (!resizable) throw new Http2Error('COMPRESSION_ERROR', 'a table size update within a header block');
        this.#table.resize(reader.integer(5));
        continue;
      }
      resizable = false;
      const [name, value] = this.#field(reader, first);
      size += sizeOf([name, value]);
      if (size > MAX_LIST_SIZE)
        throw new Http2Error('ENHANCE_YOUR_CALM', `headers of more than ${MAX_LIST_SIZE} octets`);
      const earlier = headers.get(name);
      headers.set(name, earlier === undefined ? value : `${earlier},${value}`);
    }
    return headers;
  }

  #field(reader: BlockReader, first: number): HeaderField {
    if (first & 0x80) return this.#table.get(reader.integer(7));
    const indexed = (first & 0x40) !== 0;
    const nameIndex = reader.integer(indexed ? 6 : 4);
    const name = nameIndex === 0 ? reader.string() : this.#table.get(nameIndex)[0];
    const field = [name, reader.string()] as const;
    if (indexed) this.#table.add(field);
    return field;
  }
}

class BlockReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  peek(): number {
    return this.#bytes[this.#at] ?? truncated();
  }

  /** RFC 7541 §5.1. Nothing that we decode needs more than four continuation octets. */
  integer(prefixBits: number): number {
    const prefix = (1 << prefixBits) - 1;
    let value = this.#next() & prefix;
    if (value < prefix) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      const octet = this.#next();
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
    throw new Http2Error('COMPRESSION_ERROR', 'an integer that is too large');
  }

  /** RFC 7541 §5.2. */
  string(): string {
    const huffman = (this.peek() & 0x80) !== 0;
    const length = this.integer(7);
    const end = this.#at + length;
    if (end > this.#bytes.length) truncated();
    const octets = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return huffman ? decodeHuffman(octets) : latin1(octets);
  }

  #next(): number {
    const octet = this.peek();
    this.#at++;
    return octet;
  }
}

function truncated(): never {
  throw new Http2Error('COMPRESSION_ERROR', 'a header block that ends too early');
}

function latin1(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1');
}

/** `fields` hold printable ASCII, names in lower case. */
export function encodeHeaders(fields: readonly HeaderField[]): Uint8Array {
  // Each block begins by declaring our dynamic table empty, which is right whatever limit the peer sets, now or later (§4.2).
  const octets = [0x20];
  for (const [name, value] of fields) {
    octets.push(0); // literal without indexing, with a new name (§6.2.2)
    pushString(octets, name);
    pushString(octets, value);
  }
  return Uint8Array.from(octets);
}

function pushString(octets: number[], text: string): void {
  let length = text.length;
  if (length < 127) {
    octets.push(length);
  } else {
    octets.push(127);
    for (length -= 127; length >= 128; length = Math.floor(length / 128)) octets.push((length & 0x7f) | 0x80);
    octets.push(length);
  }
  for (let i = 0; i < text.length; i++) octets.push(text.charCodeAt(i));
}
