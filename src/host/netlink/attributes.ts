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
  const start = out.reserve(HEADER);
  codec.write(out, value);
  const length = out.length - start;
  if (length > 0xffff) throw new RangeError(`netlink attribute ${type} of ${length} bytes; 65535 is the most`);
  out.view.setUint16(start, length, true);
  out.view.setUint16(start + 2, codec.nested ? type | NESTED : type, true);
  out.align();
}

/**
 * Walks the attributes in `bytes`: their values lie from `start` to `end`. Throws MalformedMessage where a length does not fit.
 * A message of the kernel's holds many that nobody asks for, so nothing is allocated for one.
 */
export function forEachAttribute(bytes: Uint8Array, visit: (type: number, start: number, end: number) => void): void {
  const u16 = (at: number): number => (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  for (let offset = 0; offset + HEADER <= bytes.length; ) {
    const length = u16(offset);
    if (length < HEADER || offset + length > bytes.length) {
      throw new MalformedMessage(`attribute of ${length} bytes at ${offset} of ${bytes.length}`);
    }
    visit(u16(offset + 2) & TYPE_MASK, offset + HEADER, offset + length);
    offset += (length + 3) & ~3;
  }
}

/** Attributes by table. Numbers that the table does not know are skipped when reading: a newer kernel sends more. */
export function attributes<const T extends AttributeTable>(table: T): Codec<ValuesOf<T>> & { readonly nested: true } {
  const entries: [keyof T, T[keyof T]][] = Object.entries(table) as [keyof T, T[keyof T]][];
  const byType = new Map(entries.map(([name, [type, codec]]) => [type, { name, codec }]));
  return {
    nested: true,
    write(out, values) {
      for (const [name, [type, codec]] of entries) {
        const value = values[name];
        if (value !== undefined) writeAttribute(out, type, codec, value);
      }
    },
    read(bytes) {
      const values: Partial<Record<keyof T, unknown>> = {};
      forEachAttribute(bytes, (type, start, end) => {
        const known = byType.get(type);
        if (known) values[known.name] = known.codec.read(bytes.subarray(start, end));
      });
      return values as ValuesOf<T>;
    },
  };
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
      out.align();
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

/** A pair of attributes, a name and data whose layout the name decides: IFLA_LINKINFO, nf_tables' expressions. */
export function variant<const T extends VariantCodecs>(
  numbers: { readonly name: readonly [number, Codec<string>]; readonly data: number },
  kinds: T,
): Codec<Variant<T>> & { readonly nested: true } {
  return {
    nested: true,
    write(out, value) {
      const [nameType, nameCodec] = numbers.name;
      const name = value.kind === 'other' ? (value as OtherVariant).name : String(value.kind);
      writeAttribute(out, nameType, nameCodec, name);
      if (value.data === undefined) return;
      const codec = value.kind === 'other' ? opaque : kinds[value.kind];
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
      const codec = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
      const kind = codec ? { kind: name } : { kind: 'other', name };
      const decoded = data && (codec ?? opaque).read(data);
      return (decoded === undefined ? kind : { ...kind, data: decoded }) as Variant<T>;
    },
  };
}

// A container of which nothing is known: attributes as bytes, under the flag that says so.
const opaque: Codec<Uint8Array> & { readonly nested: true } = { ...bytes, nested: true };
