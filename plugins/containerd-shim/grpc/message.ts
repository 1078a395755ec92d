/**
 * Protobuf messages as field tables, the one declaration of a message: its TypeScript types derive from it, and `codec.ts`
 * reads and writes by it.
 *
 *     const Mount = message({ type: [1, 'string'], options: [4, repeated('string')] });
 *     type Mount = Message<typeof Mount>;      // { type: string; options: string[] }
 *     encode(Mount, { type: 'bind' });         // Init<typeof Mount>: every field may be left out
 *
 * Decoded messages have all their fields, absent ones at proto3's default; an absent message or timestamp is undefined.
 * int64 and uint64 are numbers: all that this API counts (sizes, offsets, inodes) is far below 2^53, and a value above it
 * is an error instead of a rounded number.
 */

interface Scalars {
  string: string;
  bytes: Uint8Array;
  bool: boolean;
  int32: number;
  uint32: number;
  int64: number;
  uint64: number;
}

/** `timestamp` is google.protobuf.Timestamp as a Date (milliseconds); Go's zero time decodes as undefined. */
export type Type = keyof Scalars | 'timestamp' | EnumType | MessageType | Always | Repeated | MapOf;

/** A field's number and type. */
export type Field = readonly [number: number, type: Type];
export type Fields = Readonly<Record<string, Field>>;

export interface MessageType<F extends Fields = Fields> {
  readonly kind: 'message';
  readonly fields: F;
}

export interface EnumType<Name extends string = string> {
  readonly kind: 'enum';
  /** Index = number. */
  readonly names: readonly Name[];
}

export interface Always<T extends MessageType = MessageType> {
  readonly kind: 'always';
  readonly of: T;
}

export interface Repeated<T = unknown> {
  readonly kind: 'repeated';
  readonly of: T;
}

export interface MapOf<T = unknown> {
  readonly kind: 'map';
  readonly of: T;
}

type Value<T> = T extends keyof Scalars
  ? Scalars[T]
  : T extends 'timestamp'
    ? Date
    : T extends EnumType<infer Name>
      ? Name
      : T extends Always<infer Inner>
        ? Value<Inner>
        : T extends Repeated<infer Item>
          ? Value<Item>[]
          : T extends MapOf<infer Item>
            ? Record<string, Value<Item>>
            : T extends MessageType<infer F>
              ? { -readonly [K in keyof F]: FieldValue<F[K][1]> }
              : never;

type FieldValue<T> = T extends 'timestamp' | MessageType ? Value<T> | undefined : Value<T>;

type InitValue<T> =
  T extends Repeated<infer Item>
    ? readonly InitValue<Item>[]
    : T extends Always<infer Inner>
      ? InitValue<Inner>
      : T extends MapOf<infer Item>
        ? Readonly<Record<string, InitValue<Item>>>
        : T extends MessageType<infer F>
          ? { readonly [K in keyof F]?: InitValue<F[K][1]> | undefined }
          : Value<T>;

/** What decoding gives. */
export type Message<T extends MessageType> = Value<T>;
/** What encoding takes; a decoded message is one too. */
export type Init<T extends MessageType> = InitValue<T>;

export function message<const F extends Fields>(fields: F): MessageType<F> {
  return { kind: 'message', fields };
}

/** Names in the order of their numbers, from 0. A number without a name decodes as the first, `UNKNOWN` wherever it matters. */
export function enumeration<const Name extends string>(...names: Name[]): EnumType<Name> {
  return { kind: 'enum', names };
}

/**
 * A message that is written even when it is left out, and never undefined when it is read: what containerd's protos call
 * not nullable. containerd 1.7 and 2.x crash, all of the daemon, when an image comes without its target.
 */
export function always<T extends MessageType>(of: T): Always<T> {
  return { kind: 'always', of };
}

export function repeated<const T extends Exclude<Type, Always | Repeated | MapOf>>(of: T): Repeated<T> {
  return { kind: 'repeated', of };
}

/** `map<string, T>`, the only kind of map in containerd's API. */
export function map<const T extends Exclude<Type, Always | Repeated | MapOf>>(of: T): MapOf<T> {
  return { kind: 'map', of };
}
