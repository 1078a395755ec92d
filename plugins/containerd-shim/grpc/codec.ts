/** Reads and writes protobuf by field tables (message.ts), on protobuf-es's wire reader and writer. */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Always, EnumType, Field, Init, MapOf, Message, MessageType, Repeated, Type } from './message.ts';

// Seconds of 0001-01-01T00:00:00Z, which is how Go sends a time that was never set.
const GO_ZERO_TIME = -62135596800;

/** Throws RangeError, TypeError or the writer's error on a value that does not fit its field, with the field's path. */
export function encode<T extends MessageType>(type: T, init: Init<T>, writer = new BinaryWriter()): Uint8Array {
  writeFields(writer, type, init as Record<string, unknown>);
  return writer.finish();
}

/** `bytes` fields of the result are views of `bytes`. Unknown fields are skipped; malformed bytes throw. */
export function decode<T extends MessageType>(type: T, bytes: Uint8Array): Message<T> {
  const reader = new BinaryReader(bytes);
  return readFields(reader, reader.len, type, defaults(type)) as Message<T>;
}

// --- writing ---

function writeFields(writer: BinaryWriter, type: MessageType, init: Record<string, unknown>): void {
  for (const name in type.fields) {
    const [number, fieldType] = type.fields[name] as Field;
    const value = init[name] ?? (isAlways(fieldType) ? {} : undefined);
    if (value === undefined) continue;
    try {
      writeField(writer, number, fieldType, value);
    } catch (error) {
      if (error instanceof Error) error.message = `${name}: ${error.message}`;
      throw error;
    }
  }
}

function writeField(writer: BinaryWriter, number: number, type: Type, value: unknown): void {
  if (typeof type === 'string' || type.kind === 'enum') {
    if (!isDefault(type, value)) writeValue(writer.tag(number, wireType(type)), type, value);
  } else if (type.kind === 'message' || type.kind === 'always') {
    writeValue(writer.tag(number, WireType.LengthDelimited), withoutAlways(type), value);
  } else if (type.kind === 'repeated') {
    writeRepeated(writer, number, type.of as Type, value as readonly unknown[]);
  } else {
    for (const [key, item] of Object.entries(value as object)) {
      writer.tag(number, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string(key);
      writeValue(writer.tag(2, wireType(type.of as Type)), type.of as Type, item);
      writer.join();
    }
  }
}

function writeRepeated(writer: BinaryWriter, number: number, type: Type, items: readonly unknown[]): void {
  const wire = wireType(type);
  if (wire === WireType.LengthDelimited) {
    for (const item of items) writeValue(writer.tag(number, wire), type, item);
  } else if (items.length > 0) {
    writer.tag(number, WireType.LengthDelimited).fork();
    for (const item of items) writeValue(writer, type, item);
    writer.join();
  }
}

function writeValue(writer: BinaryWriter, type: Type, value: unknown): void {
  if (type === 'timestamp') {
    writer.fork();
    writeTimestamp(writer, value as Date);
    writer.join();
  } else if (type === 'int64' || type === 'uint64') {
    writer[type](safe(value as number));
  } else if (typeof type === 'string') {
    // The table's type names are the writer's method names, each of which takes its own kind of value.
    (writer[type] as (value: unknown) => unknown)(value);
  } else if (type.kind === 'enum') {
    writer.int32(enumNumber(type, value as string));
  } else {
    writer.fork();
    writeFields(writer, type as MessageType, value as Record<string, unknown>);
    writer.join();
  }
}

function writeTimestamp(writer: BinaryWriter, date: Date): void {
  const milliseconds = date.getTime();
  const seconds = Math.floor(milliseconds / 1000);
  writeField(writer, 1, 'int64', seconds);
  writeField(writer, 2, 'int32', (milliseconds - seconds * 1000) * 1_000_000);
}

// --- reading ---

function readFields(
  reader: BinaryReader,
  end: number,
  type: MessageType,
  target: Record<string, unknown>,
): Record<string, unknown> {
  const fields = byNumber(type);
  while (reader.pos < end) {
    const [number, wire] = reader.tag();
    const found = fields.get(number);
    if (found === undefined || !readField(reader, wire, found.type, found.name, target)) reader.skip(wire, number);
  }
  return target;
}

/** False if the field came with a wire type that its type cannot have, and so counts as unknown. */
function readField(
  reader: BinaryReader,
  wire: WireType,
  type: Type,
  name: string,
  target: Record<string, unknown>,
): boolean {
  if (typeof type === 'object' && type.kind === 'repeated') {
    return readRepeated(reader, wire, type as Repeated<Type>, target[name] as unknown[]);
  }
  if (wire !== wireType(type)) return false;
  if (typeof type === 'object' && type.kind === 'map') {
    readMapEntry(reader, type as MapOf<Type>, target[name] as Record<string, unknown>);
  } else {
    target[name] = readValue(reader, type, target[name]);
  }
  return true;
}

function readRepeated(reader: BinaryReader, wire: WireType, { of }: Repeated<Type>, items: unknown[]): boolean {
  if (wire === wireType(of)) {
    items.push(readValue(reader, of));
  } else if (wire === WireType.LengthDelimited) {
    // Packed: numbers, bools and enums, one after another without tags.
    const end = endOfMessage(reader);
    while (reader.pos < end) items.push(readValue(reader, of));
  } else {
    return false;
  }
  return true;
}

function readMapEntry(reader: BinaryReader, { of }: MapOf<Type>, target: Record<string, unknown>): void {
  const end = endOfMessage(reader);
  let key = '';
  let value = readEmpty(of);
  while (reader.pos < end) {
    const [number, wire] = reader.tag();
    if (number === 1 && wire === WireType.LengthDelimited) key = reader.string();
    else if (number === 2 && wire === wireType(of)) value = readValue(reader, of);
    else reader.skip(wire, number);
  }
  target[key] = value;
}

/** `previous` is what an earlier occurrence of the same field gave: messages merge, everything else is replaced. */
function readValue(reader: BinaryReader, type: Type, previous?: unknown): unknown {
  if (type === 'timestamp') return readTimestamp(reader);
  if (type === 'int64' || type === 'uint64') return safe(Number(reader[type]()));
  if (typeof type === 'string') return reader[type]();
  if (type.kind === 'enum') return type.names[reader.int32()] ?? type.names[0];
  const message = type as MessageType;
  return readFields(reader, endOfMessage(reader), message, (previous as Record<string, unknown>) ?? defaults(message));
}

function endOfMessage(reader: BinaryReader): number {
  const end = reader.uint32() + reader.pos;
  if (end > reader.len) throw new RangeError('premature end of message');
  return end;
}

const TIMESTAMP = { kind: 'message', fields: { seconds: [1, 'int64'], nanos: [2, 'int32'] } } as const;

function readTimestamp(reader: BinaryReader): Date | undefined {
  const { seconds, nanos } = readValue(reader, TIMESTAMP) as Message<typeof TIMESTAMP>;
  return seconds === GO_ZERO_TIME ? undefined : new Date(seconds * 1000 + Math.floor(nanos / 1_000_000));
}

// --- what both need ---

function wireType(type: Type): WireType {
  if (typeof type === 'object') return type.kind === 'enum' ? WireType.Varint : WireType.LengthDelimited;
  return type === 'string' || type === 'bytes' || type === 'timestamp' ? WireType.LengthDelimited : WireType.Varint;
}

function isDefault(type: keyof typeof EMPTY | 'timestamp' | EnumType, value: unknown): boolean {
  if (type === 'timestamp') return false;
  if (type === 'bytes') return (value as Uint8Array).length === 0;
  return value === (typeof type === 'object' ? type.names[0] : EMPTY[type]);
}

function isAlways(type: Type): type is Always {
  return typeof type === 'object' && type.kind === 'always';
}

function withoutAlways(type: MessageType | Always): MessageType {
  return type.kind === 'always' ? type.of : type;
}

function safe(value: number): number {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not an integer below 2^53`);
  return value;
}

function enumNumber(type: EnumType, name: string): number {
  const number = type.names.indexOf(name);
  if (number < 0) throw new RangeError(`${name} is none of ${type.names.join(', ')}`);
  return number;
}

const EMPTY = { string: '', bytes: new Uint8Array(), bool: false, int32: 0, uint32: 0, int64: 0, uint64: 0 };

function readEmpty(type: Type): unknown {
  if (type === 'timestamp') return undefined;
  if (typeof type === 'string') return EMPTY[type];
  if (type.kind === 'enum') return type.names[0];
  if (type.kind === 'repeated') return [];
  // Without a prototype: a label may be called `__proto__`.
  if (type.kind === 'map') return Object.create(null);
  return defaults(withoutAlways(type));
}

function defaults(type: MessageType): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const name in type.fields) {
    const fieldType = (type.fields[name] as Field)[1];
    result[name] = typeof fieldType === 'object' && fieldType.kind === 'message' ? undefined : readEmpty(fieldType);
  }
  return result;
}

type Numbered = Map<number, { name: string; type: Type }>;
const numbered = new WeakMap<MessageType, Numbered>();

/** The table by field number, made when a message of this type is first read. */
function byNumber(type: MessageType): Numbered {
  let fields = numbered.get(type);
  if (fields === undefined) {
    fields = new Map(
      Object.entries(type.fields).map(([name, [number, of]]) => [number, { name, type: isAlways(of) ? of.of : of }]),
    );
    numbered.set(type, fields);
  }
  return fields;
}
