/** google.protobuf.Any, Empty and FieldMask, and the two ways in which containerd fills an Any: protobuf and JSON. */
import { decode, encode } from './codec.ts';
import { type Init, type Message, type MessageType, message, repeated } from './message.ts';

export const Any = message({ typeUrl: [1, 'string'], value: [2, 'bytes'] });
export type Any = Message<typeof Any>;

export const Empty = message({});

/** Paths are proto field names: `labels`, `labels.containerd.io/gc.root`, `created_at`. */
export const FieldMask = message({ paths: [1, repeated('string')] });

/** `packMessage('containerd.runc.v1.Options', RuncOptions, { systemdCgroup: true })` */
export function packMessage<T extends MessageType>(typeUrl: string, type: T, init: Init<T>): Any {
  return { typeUrl, value: encode(type, init) };
}

export function unpackMessage<T extends MessageType>(type: T, any: Any): Message<T> {
  return decode(type, any.value);
}

/** The OCI types travel as JSON: `packJson('types.containerd.io/opencontainers/runtime-spec/1/Spec', spec)`. */
export function packJson(typeUrl: string, value: unknown): Any {
  return { typeUrl, value: new TextEncoder().encode(JSON.stringify(value)) };
}

/** Throws SyntaxError on what is not JSON. */
export function unpackJson(any: Any): unknown {
  return JSON.parse(new TextDecoder().decode(any.value));
}
