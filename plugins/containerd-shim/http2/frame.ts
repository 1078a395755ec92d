/** Frames of HTTP/2 (RFC 9113 §4, §6): 9 bytes of header (length 24, type 8, flags 8, stream 31) and a payload. */
import { Http2Error } from './errors.ts';

export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const PRIORITY = 0x20;

export const SETTINGS_ENABLE_PUSH = 2;
export const SETTINGS_MAX_CONCURRENT_STREAMS = 3;
export const SETTINGS_INITIAL_WINDOW = 4;
export const SETTINGS_MAX_FRAME_SIZE = 5;

export const FRAME_HEADER_LENGTH = 9;
/** Both sides' limit on a payload until SETTINGS_MAX_FRAME_SIZE says more; we never raise ours. */
export const DEFAULT_MAX_FRAME_SIZE = 16_384;

export interface Frame {
  type: number;
  flags: number;
  streamId: number;
  /** A view of the bytes that came in. */
  payload: Uint8Array;
}

/** Cuts a byte stream into frames, whatever the pieces it comes in. */
export class FrameReader {
  #bytes: Uint8Array = new Uint8Array();

  push(chunk: Uint8Array): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
  }

  /** The next whole frame; undefined until more bytes come. Throws FRAME_SIZE_ERROR for one above 16 KiB. */
  next(): Frame | undefined {
    const bytes = this.#bytes;
    if (bytes.length < FRAME_HEADER_LENGTH) return undefined;
    const length = readUint32(bytes, 0) >>> 8;
    if (length > DEFAULT_MAX_FRAME_SIZE) {
      throw new Http2Error('FRAME_SIZE_ERROR', `a frame of ${length} bytes; the limit is ${DEFAULT_MAX_FRAME_SIZE}`);
    }
    const end = FRAME_HEADER_LENGTH + length;
    if (bytes.length < end) return undefined;
    this.#bytes = bytes.subarray(end);
    const view = bytes.subarray(0, end);
    return {
      type: view[3] ?? 0,
      flags: view[4] ?? 0,
      streamId: readUint32(view, 5) & 0x7fffffff,
      payload: view.subarray(FRAME_HEADER_LENGTH),
    };
  }
}

/** Writes a frame's header into the first 9 bytes of `target`. */
export function writeFrameHeader(target: Uint8Array, length: number, type: number, flags: number, streamId: number) {
  writeUint32(target, 0, (length << 8) | type);
  target[4] = flags;
  writeUint32(target, 5, streamId);
}

/** The payload without its padding, and for HEADERS without the priority fields (RFC 9113 §6.1, §6.2). */
export function unpad({ type, flags, payload }: Frame): Uint8Array {
  let start = 0;
  let padding = 0;
  if (flags & PADDED) {
    padding = payload[0] ?? 0;
    start = 1;
  }
  if (type === HEADERS && flags & PRIORITY) start += 5;
  if (start + padding > payload.length) throw new Http2Error('PROTOCOL_ERROR', 'padding is longer than its frame');
  return payload.subarray(start, payload.length - padding);
}

/** `bytes` must hold four from `offset` on. */
export function readUint32(bytes: Uint8Array, offset: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]];
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

export function writeUint32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
}
