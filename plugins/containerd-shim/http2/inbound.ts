/** From bytes to what they mean: frames checked, header blocks put together and decoded (RFC 9113 §6). */
import { ERROR_CODES, type ErrorCode, Http2Error } from './errors.ts';
import * as F from './frame.ts';
import { type Headers, HpackDecoder } from './hpack.ts';

/** Of one header block, CONTINUATIONs included. */
const MAX_HEADER_BLOCK = 256 * 1024;

/** Stream numbers are not 0; whether the stream exists is for the receiver to know. */
export interface InboundEvents {
  onHeaders(streamId: number, headers: Headers, last: boolean): void;
  /** `flowLength` is what flow control counts: the frame's whole payload, padding included. */
  onData(streamId: number, bytes: Uint8Array, flowLength: number, last: boolean): void;
  onReset(streamId: number, code: ErrorCode): void;
  onSettings(settings: readonly (readonly [id: number, value: number])[]): void;
  onPing(payload: Uint8Array): void;
  /** Streams above `lastStreamId` were not processed. `debug` is the peer's own words, often empty. */
  onGoaway(lastStreamId: number, code: ErrorCode, debug: string): void;
  /** Stream 0 is the connection. */
  onWindowUpdate(streamId: number, increment: number): void;
}

export class Inbound {
  readonly #events: InboundEvents;
  readonly #reader = new F.FrameReader();
  readonly #hpack = new HpackDecoder();
  #settingsSeen = false;
  /** A header block of which CONTINUATIONs are still to come. */
  #block: { streamId: number; last: boolean; pieces: Uint8Array[]; length: number } | undefined;

  constructor(events: InboundEvents) {
    this.#events = events;
  }

  /** Throws Http2Error on a breach of the protocol, which is the end of the connection. */
  receive(chunk: Uint8Array): void {
    this.#reader.push(chunk);
    for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) this.#handle(frame);
  }

  #handle(frame: F.Frame): void {
    const { type, flags, streamId, payload } = frame;
    if (!this.#settingsSeen && (type !== F.SETTINGS || flags & F.ACK)) {
      throw new Http2Error('PROTOCOL_ERROR', 'its first frame is not SETTINGS; does it speak HTTP/2 at all?');
    }
    if (this.#block !== undefined && (type !== F.CONTINUATION || streamId !== this.#block.streamId)) {
      throw new Http2Error('PROTOCOL_ERROR', 'another frame within a header block');
    }
    switch (type) {
      case F.DATA:
        onStream(frame);
        this.#events.onData(streamId, F.unpad(frame), payload.length, (flags & F.END_STREAM) !== 0);
        break;
      case F.HEADERS:
        onStream(frame);
        this.#block = { streamId, last: (flags & F.END_STREAM) !== 0, pieces: [], length: 0 };
        this.#headerBlock(F.unpad(frame), flags);
        break;
      case F.CONTINUATION:
        this.#headerBlock(payload, flags);
        break;
      case F.RST_STREAM:
        onStream(frame);
        expectLength(frame, 4);
        this.#events.onReset(streamId, errorCode(F.readUint32(payload, 0)));
        break;
      case F.SETTINGS:
        this.#settings(frame);
        break;
      case F.PUSH_PROMISE:
        throw new Http2Error('PROTOCOL_ERROR', 'a push, which we have forbidden');
      case F.PING:
        expectLength(frame, 8);
        if (!(flags & F.ACK)) this.#events.onPing(payload);
        break;
      case F.GOAWAY:
        this.#goaway(frame);
        break;
      case F.WINDOW_UPDATE:
        this.#windowUpdate(frame);
        break;
      // PRIORITY, and types that we don't know, are ignored (§5.5).
    }
  }

  #headerBlock(piece: Uint8Array, flags: number): void {
    const block = this.#block;
    if (block === undefined) throw new Http2Error('PROTOCOL_ERROR', 'CONTINUATION without a header block');
    block.pieces.push(piece);
    block.length += piece.length;
    if (block.length > MAX_HEADER_BLOCK) {
      throw new Http2Error('ENHANCE_YOUR_CALM', `a header block of more than ${MAX_HEADER_BLOCK} bytes`);
    }
    if (!(flags & F.END_HEADERS)) return;
    this.#block = undefined;
    const whole = block.pieces.length === 1 ? piece : Buffer.concat(block.pieces);
    this.#events.onHeaders(block.streamId, this.#hpack.decode(whole), block.last);
  }

  #settings(frame: F.Frame): void {
    const { flags, streamId, payload } = frame;
    if (streamId !== 0) throw new Http2Error('PROTOCOL_ERROR', 'SETTINGS on a stream');
    if (flags & F.ACK) {
      expectLength(frame, 0);
      return;
    }
    if (payload.length % 6 !== 0) throw new Http2Error('FRAME_SIZE_ERROR', 'SETTINGS of an odd length');
    this.#settingsSeen = true;
    const settings: [number, number][] = [];
    for (let at = 0; at < payload.length; at += 6) {
      settings.push([((payload[at] ?? 0) << 8) | (payload[at + 1] ?? 0), F.readUint32(payload, at + 2)]);
    }
    this.#events.onSettings(settings);
  }

  #goaway(frame: F.Frame): void {
    const { payload } = frame;
    if (payload.length < 8) expectLength(frame, 8);
    const debug = Buffer.from(payload.subarray(8)).toString();
    this.#events.onGoaway(F.readUint32(payload, 0) & 0x7fffffff, errorCode(F.readUint32(payload, 4)), debug);
  }

  #windowUpdate(frame: F.Frame): void {
    expectLength(frame, 4);
    const increment = F.readUint32(frame.payload, 0) & 0x7fffffff;
    if (increment === 0) throw new Http2Error('PROTOCOL_ERROR', 'WINDOW_UPDATE by 0');
    this.#events.onWindowUpdate(frame.streamId, increment);
  }
}

function onStream({ streamId }: F.Frame): void {
  if (streamId === 0) throw new Http2Error('PROTOCOL_ERROR', 'a frame of a stream on stream 0');
}

function expectLength({ type, payload }: F.Frame, length: number): void {
  if (payload.length !== length) {
    throw new Http2Error(
      'FRAME_SIZE_ERROR',
      `a frame of type ${type} with ${payload.length} bytes instead of ${length}`,
    );
  }
}

/** A code that we don't know counts as INTERNAL_ERROR (§7). */
function errorCode(code: number): ErrorCode {
  return ERROR_CODES[code] ?? 'INTERNAL_ERROR';
}
