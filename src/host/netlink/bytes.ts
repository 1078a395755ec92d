/** Bytes of a message: a buffer that grows while it is written, and the scalars that netlink messages are made of. */

/** A message or attribute that does not hold what its type says; `what` names the field. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage';
}

/** A buffer that grows as it is written. Positions are byte offsets from its start. */
export class ByteWriter {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  length = 0;

  /** Makes room for `size` zero bytes and returns where they begin. */
  reserve(size: number): number {
    const start = this.length;
    const end = start + size;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, start));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.length = end;
    return start;
  }

  bytes(value: Uint8Array): void {
    const start = this.reserve(value.length);
    this.#bytes.set(value, start);
  }

  /** The view over what is written; it is stale after the next write. */
  get view(): DataView {
    return this.#view;
  }

  /** Pads with zeros to a multiple of four, as netlink(7) wants between messages and attributes. */
  align(): void {
    this.reserve(-this.length & 3);
  }

  /** A copy of what has been written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.length);
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

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function scalar<T>(
  size: number,
  name: string,
  set: (view: DataView, at: number, value: T) => void,
  get: (view: DataView) => T,
): FixedCodec<T> {
  return {
    size,
    write(out, value) {
      const at = out.reserve(size);
      set(out.view, at, value);
    },
    read(bytes) {
      if (bytes.length < size) throw new MalformedMessage(`${name} of ${bytes.length} bytes`);
      return get(viewOf(bytes));
    },
  };
}

// Netlink speaks the host's byte order, and every machine that Bun runs on is little-endian.
const host = true;

export const u8 = scalar<number>(
  1,
  'u8',
  (v, at, n) => v.setUint8(at, n),
  v => v.getUint8(0),
);
export const u16 = scalar<number>(
  2,
  'u16',
  (v, at, n) => v.setUint16(at, n, host),
  v => v.getUint16(0, host),
);
export const u32 = scalar<number>(
  4,
  'u32',
  (v, at, n) => v.setUint32(at, n, host),
  v => v.getUint32(0, host),
);
export const i32 = scalar<number>(
  4,
  'i32',
  (v, at, n) => v.setInt32(at, n, host),
  v => v.getInt32(0, host),
);

// nf_tables has its numbers in network byte order.
export const u16be = scalar<number>(
  2,
  'be16',
  (v, at, n) => v.setUint16(at, n),
  v => v.getUint16(0),
);
export const u32be = scalar<number>(
  4,
  'be32',
  (v, at, n) => v.setUint32(at, n),
  v => v.getUint32(0),
);
export const i32be = scalar<number>(
  4,
  'be32',
  (v, at, n) => v.setInt32(at, n),
  v => v.getInt32(0),
);
/** Handles and counts, as numbers: exact up to 2^53. */
export const u64be = scalar<number>(
  8,
  'be64',
  (v, at, n) => v.setBigUint64(at, BigInt(n)),
  v => Number(v.getBigUint64(0)),
);

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
export function struct<T extends Record<string, FixedCodec<number>>>(
  fields: T,
): FixedCodec<{ [K in keyof T]?: number | undefined }> & { readonly fields: readonly (keyof T)[] } {
  const names: readonly (keyof T)[] = Object.keys(fields);
  const size = Object.values(fields).reduce((sum, field) => sum + field.size, 0);
  return {
    size,
    fields: names,
    write(out, value) {
      for (const name of names) fields[name]?.write(out, value[name] ?? 0);
    },
    read(input) {
      if (input.length < size) throw new MalformedMessage(`header of ${input.length} bytes, expected ${size}`);
      const value: { [K in keyof T]?: number } = {};
      let at = 0;
      for (const name of names) {
        const field = fields[name];
        if (field === undefined) continue;
        value[name] = field.read(input.subarray(at, at + field.size));
        at += field.size;
      }
      return value;
    },
  };
}
