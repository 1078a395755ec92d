/** Netlink attributes (type-length-value, nested) as tables: `{ mtu: [4, u32] }` writes and reads `{ mtu: 1500 }`. */
import { type ByteWriter, bytes, type Codec, type FixedCodec, MalformedMessage } from './bytes.ts';

const HEADER = 4;
const NESTED = 0x8000;
const TYPE_MASK = 0x3fff;

/** Attribute numbers and codecs by the name that the value has in TypeScript. */
export type AttributeTable = { readonly [name: string]: readonly [type: number, codec: Codec<unknown>] };

export type ValueOf<C> = C extends Codec<infer T> ? T : never;

/** The object that a table reads and writes; what is absent or undefined is not sent. */
export type ValuesOf<T extends AttributeTable> = { [K in keyof T]?: ValueOf<T[K][1]> | undefined };

/** Writes one attribute: header, value, padding. */
function writeAttribute<T>(out: ByteWriter, type: number, codec: Codec<T>, value: T): void {
  const start = out.length;
  if (start + HEADER > out.array.length) out.grow(HEADER);
  out.length += HEADER;
  codec.write(out, value);
  const length = out.length - start;
  if (length > 0xffff) throw new RangeError(`netlink attribute ${type} of ${length} bytes; 65535 is the most`);
  out.view.setUint16(start, length, true);
  out.view.setUint16(start + 2, codec.nested ? type | NESTED : type, true);
  if (length & 3) out.align();
}

/**
 * Walks the attributes in `bytes`: their values lie from `start` to `end`. Throws MalformedMessage where a length does not fit.
 * A message of the kernel's holds many that nobody asks for, so nothing is allocated for one.
 */
export function forEachAttribute(bytes: Uint8Array, visit: (type: number, start: number, end: number) => void): void {
  for (let offset = 0; offset + HEADER <= bytes.length; ) {
    const length = (bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8);
    if (length < HEADER || offset + length > bytes.length) throw malformed(bytes, offset, length);
    visit(((bytes[offset + 2] ?? 0) | ((bytes[offset + 3] ?? 0) << 8)) & TYPE_MASK, offset + HEADER, offset + length);
    offset += (length + 3) & ~3;
  }
}

/** Attributes by table. Numbers that the table does not know are skipped when reading: a newer kernel sends more. */
export function attributes<const T extends AttributeTable>(table: T): Codec<ValuesOf<T>> & { readonly nested: true } {
  let names: Map<number, keyof T> | undefined;
  return {
    nested: true,
    write(out, values) {
      // In the order of the values, and not of the table, which is mostly longer; what else is in `values` is a header's.
      for (const name in values) {
        const value = values[name];
        const entry = table[name];
        if (value !== undefined && entry) writeAttribute(out, entry[0], entry[1], value);
      }
    },
    // As forEachAttribute, in one function: the kernel's messages hold many that nobody asks for.
    read(bytes) {
      if (names === undefined) {
        names = new Map();
        for (const name in table) names.set(table[name]?.[0] ?? 0, name);
      }
      const values: Partial<Record<keyof T, unknown>> = {};
      for (let offset = 0; offset + HEADER <= bytes.length; ) {
        const length = (bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8);
        if (length < HEADER || offset + length > bytes.length) throw malformed(bytes, offset, length);
        const type = ((bytes[offset + 2] ?? 0) | ((bytes[offset + 3] ?? 0) << 8)) & TYPE_MASK;
        const name = names.get(type);
        if (name !== undefined) values[name] = table[name]?.[1].read(bytes.subarray(offset + HEADER, offset + length));
        offset += (length + 3) & ~3;
      }
      return values as ValuesOf<T>;
    },
  };
}

function malformed(bytes: Uint8Array, offset: number, length: number): MalformedMessage {
  return new MalformedMessage(`attribute of ${length} bytes at ${offset} of ${bytes.length}`);
}

/** A list: attributes of one number, one after another, inside a container. */
export function listOf<T>(type: number, codec: Codec<T>): Codec<T[]> & { readonly nested: true } {
  return {
    nested: true,
    write(out, values) {
      for (const value of values) writeAttribute(out, type, codec, value);
    },
    read(bytes) {
      const values: T[] = [];
      forEachAttribute(bytes, (found, start, end) => {
        if (found === type) values.push(codec.read(bytes.subarray(start, end)));
      });
      return values;
    },
  };
}

/** A struct followed by attributes: `ifinfomsg` and what comes after it. One flat object holds both. */
export function headed<H, A>(header: FixedCodec<H>, body: Codec<A>): Codec<H & A> & { readonly nested: true } {
  return {
    nested: true,
    write(out, value) {
      header.write(out, value);
      if (header.size & 3) out.align();
      body.write(out, value);
    },
    read(bytes) {
      return { ...header.read(bytes), ...body.read(bytes.subarray((header.size + 3) & ~3)) };
    },
  };
}

export type VariantCodecs = { readonly [kind: string]: Codec<unknown> };

/** What `variant` reads and writes; a kind without a codec comes as `other`, with its bytes. */
export type Variant<T extends VariantCodecs> =
  | { [K in keyof T]: { kind: K; data?: ValueOf<T[K]> | undefined } }[keyof T]
  | OtherVariant;

export type OtherVariant = { kind: 'other'; name: string; data?: Uint8Array | undefined };

/**
 * A pair of attributes, a name and data whose layout the name decides: IFLA_LINKINFO, nf_tables' expressions. A function is asked for the
 * table when it is needed.
 */
export function variant<const T extends VariantCodecs>(
  numbers: { readonly name: readonly [number, Codec<string>]; readonly data: number },
  table: T | (() => T),
): Codec<Variant<T>> & { readonly nested: true } {
  let made: T | undefined;
  const kindsOf = (): T => {
    made ??= typeof table === 'function' ? table() : table;
    return made;
  };
  return {
    nested: true,
    write(out, value) {
      const [nameType, nameCodec] = numbers.name;
      const name = value.kind === 'other' ? (value as OtherVariant).name : String(value.kind);
      writeAttribute(out, nameType, nameCodec, name);
      if (value.data === undefined) return;
      const codec = value.kind === 'other' ? opaque : kindsOf()[value.kind];
      if (codec) writeAttribute(out, numbers.data, codec, value.data);
    },
    read(input) {
      let name: string | undefined;
      let data: Uint8Array | undefined;
      forEachAttribute(input, (type, start, end) => {
        const value = input.subarray(start, end);
        if (type === numbers.name[0]) name = numbers.name[1].read(value);
        else if (type === numbers.data) data = value;
      });
      if (name === undefined) throw new MalformedMessage('variant without a name');
      const kinds = kindsOf();
      const codec = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
      const kind = codec ? { kind: name } : { kind: 'other', name };
      const decoded = data && (codec ?? opaque).read(data);
      return (decoded === undefined ? kind : { ...kind, data: decoded }) as Variant<T>;
    },
  };
}

// A container of which nothing is known: attributes as bytes, under the flag that says so.
const opaque: Codec<Uint8Array> & { readonly nested: true } = { ...bytes, nested: true };
