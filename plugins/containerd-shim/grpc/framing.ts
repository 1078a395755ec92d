/** Length-prefixed messages (gRPC over HTTP/2): a compression flag, four bytes of length, the message. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { readUint32, writeUint32 } from '../http2/frame.ts';
import { encode } from './codec.ts';
import type { Init, MessageType } from './message.ts';
import { GrpcError } from './status.ts';

const PREFIX_LENGTH = 5;
/** containerd's own limit on a message, in both directions. */
const MAX_MESSAGE = 16 * 1024 * 1024;

/** The message with its prefix, ready for DATA frames. */
export function frameMessage<T extends MessageType>(type: T, init: Init<T>): Uint8Array {
  const writer = new BinaryWriter().raw(new Uint8Array(PREFIX_LENGTH));
  const bytes = encode(type, init, writer);
  writeUint32(bytes, 1, bytes.length - PREFIX_LENGTH);
  return bytes;
}

/**
 * What comes before `data` in the framed message that ends with it, as its field `name`: so large data are sent without being copied, and
 * memory does not grow with what has been sent.
 */
export function frameBefore<T extends MessageType>(type: T, init: Init<T>, name: string, data: Uint8Array): Uint8Array {
  const [number] = type.fields[name] ?? [];
  if (number === undefined) throw new TypeError(`there is no field ${name}`);
  const writer = new BinaryWriter().raw(new Uint8Array(PREFIX_LENGTH)).raw(encode(type, init));
  const bytes = writer.tag(number, WireType.LengthDelimited).uint32(data.length).finish();
  writeUint32(bytes, 1, bytes.length - PREFIX_LENGTH + data.length);
  return bytes;
}

/** Takes messages out of the pieces in which a response's body comes. */
export class MessageReader {
  readonly #next: () => Promise<Uint8Array | undefined>;
  readonly #method: string;
  #rest: Uint8Array = new Uint8Array();

  /** `next` gives the body piece by piece, undefined at its end. */
  constructor(next: () => Promise<Uint8Array | undefined>, method: string) {
    this.#next = next;
    this.#method = method;
  }

  /** The next message, undefined at the end of the body; a view of what was received, or a copy where it came in pieces. */
  async read(): Promise<Uint8Array | undefined> {
    const prefix = await this.#take(PREFIX_LENGTH);
    if (prefix === undefined) return undefined;
    if (prefix[0] !== 0) throw new GrpcError('INTERNAL', 'a compressed message, which was not asked for', this.#method);
    const length = readUint32(prefix, 1);
    if (length > MAX_MESSAGE) {
      throw new GrpcError(
        'RESOURCE_EXHAUSTED',
        `a message of ${length} bytes; the limit is ${MAX_MESSAGE}`,
        this.#method,
      );
    }
    const message = await this.#take(length);
    if (message === undefined) throw this.#truncated();
    return message;
  }

  async #take(length: number): Promise<Uint8Array | undefined> {
    if (this.#rest.length < length) {
      const whole = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        if (this.#rest.length === 0) {
          const piece = await this.#next();
          if (piece !== undefined) {
            this.#rest = piece;
          } else if (filled === 0) {
            return undefined;
          } else {
            throw this.#truncated();
          }
        }
        const part = this.#rest.subarray(0, length - filled);
        whole.set(part, filled);
        filled += part.length;
        this.#rest = this.#rest.subarray(part.length);
      }
      return whole;
    }
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }

  #truncated(): GrpcError {
    return new GrpcError('INTERNAL', 'the answer ends within a message', this.#method);
  }
}
