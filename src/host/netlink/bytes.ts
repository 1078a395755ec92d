/** Bytes of a message: a buffer that grows while it is written, and the scalars that netlink messages are made of. */

/** A message or attribute that does not hold what its type says; `what` names the field. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

/**
 * A buffer that grows as it is written; what lies behind `length` is zero. Positions are byte offsets from its start.
 *
 * A program that is executed as a plugin runs all this a few times only, and then each call of a function costs more than what is in it
 * (at the 34th it is compiled): so numbers are written where they are met, and little is called for each.
 */
export class ByteWriter {
  array = new Uint8Array(1024);
  view = new DataView(this.array.buffer);
  length = 0;

  /** For when `size` bytes more do not fit. */
  grow(size: number): void {
    const grown = new Uint8Array(Math.max(this.length + size, this.array.length * 2));
    grown.set(this.array);
    this.array = grown;
    this.view = new DataView(grown.buffer);
  }

  bytes(value: Uint8Array): void {
    if (this.length + value.length > this.array.length) this.grow(value.length);
    this.array.set(value, this.length);
    this.length += value.length;
  }

  /** Pads with zeros to a multiple of four, as netlink(7) wants between messages and attributes. */
  align(): void {
    this.length = (this.length + 3) & ~3;
    if (this.length > this.array.length) this.grow(0);
  }

  /** A copy of what has been written. */
  finish(): Uint8Array {
    return this.array.slice(0, this.length);
  }
}

/** How a value of type T is written to bytes and read back. `read` throws MalformedMessage on bytes that are no such value. */
export interface Codec<T> {
  write(out: ByteWriter, value: T): void;
  read(bytes: Uint8Array): T;
  /** A container of attributes: its own attribute carries NLA_F_NESTED. */
  readonly nested?: true;
}

/** A codec whose values all have one size. */
export interface FixedCodec<T> extends Codec<T> {
  readonly size: number;
}

/** Of whole numbers. */
export interface NumberCodec extends FixedCodec<number> {
  readonly bigEndian: boolean;
  readonly signed: boolean;
}

function number(size: 1 | 2 | 4 | 8, name: string, bigEndian = false, signed = false): NumberCodec {
  return {
    size,
    bigEndian,
    signed,
    write(out, value) {
      const at = out.length;
      if (at + size > out.array.length) out.grow(size);
      out.length = at + size;
      if (size === 1) out.view.setUint8(at, value);
      else if (size === 2) out.view.setUint16(at, value, !bigEndian);
      else if (size === 4) out.view.setUint32(at, value, !bigEndian);
      else out.view.setBigUint64(at, BigInt(value), !bigEndian);
    },
    read(bytes) {
      if (bytes.length < size) throw new MalformedMessage(`${name} of ${bytes.length} bytes`);
      const view = new DataView(bytes.buffer, bytes.byteOffset, size);
      if (size === 1) return view.getUint8(0);
      if (size === 2) return view.getUint16(0, !bigEndian);
      if (size === 4) return signed ? view.getInt32(0, !bigEndian) : view.getUint32(0, !bigEndian);
      return Number(view.getBigUint64(0, !bigEndian));
    },
  };
}

// Netlink speaks the host's byte order, and every machine that Bun runs on is little-endian.
export const u8 = number(1, 'u8');
export const u16 = number(2, 'u16');
export const u32 = number(4, 'u32');
export const i32 = number(4, 'i32', false, true);

// nf_tables has its numbers in network byte order.
export const u16be = number(2, 'be16', true);
export const u32be = number(4, 'be32', true);
export const i32be = number(4, 'be32', true, true);
/** Handles and counts, as numbers: exact up to 2^53. */
export const u64be = number(8, 'be64', true);

/** Bytes as they are; what is read is a copy, so that it outlives the receive buffer. */
export const bytes: Codec<Uint8Array> = {
  write: (out, value) => out.bytes(value),
  read: value => value.slice(),
};

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A NUL-terminated string. */
export const string: Codec<string> = {
  write(out, value) {
    if (value.includes('\0')) throw new RangeError(`NUL in ${JSON.stringify(value)}`);
    out.bytes(encoder.encode(`${value}\0`));
  },
  read(value) {
    const end = value.indexOf(0);
    return decoder.decode(end === -1 ? value : value.subarray(0, end));
  },
};

/** A C struct without holes: its fields in order. Fields that are left out are written as zero. */
export function struct<T extends Record<string, NumberCodec>>(
  fields: T,
): FixedCodec<{ [K in keyof T]?: number | undefined }> & { readonly fields: readonly (keyof T)[] } {
  const size = Object.values(fields).reduce((sum, field) => sum + field.size, 0);
  return {
    size,
    fields: Object.keys(fields),
    write(out, value) {
      if (out.length + size > out.array.length) out.grow(size);
      for (const name in fields) {
        const number = value[name];
        if (number) fields[name]?.write(out, number);
        else out.length += fields[name]?.size ?? 0;
      }
    },
    read(input) {
      if (input.length < size) throw new MalformedMessage(`header of ${input.length} bytes, expected ${size}`);
      const view = new DataView(input.buffer, input.byteOffset, size);
      const value: { [K in keyof T]?: number } = {};
      let at = 0;
      for (const name in fields) {
        const { size = 0, bigEndian, signed } = fields[name] ?? {};
        if (size === 1) value[name] = view.getUint8(at);
        else if (size === 2) value[name] = view.getUint16(at, !bigEndian);
        else if (size === 4) value[name] = signed ? view.getInt32(at, !bigEndian) : view.getUint32(at, !bigEndian);
        at += size;
      }
      return value;
    },
  };
}
