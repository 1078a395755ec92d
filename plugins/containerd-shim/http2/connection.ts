/** A client's connection: its streams, the peer's settings, the connection's flow control, and what goes out when. */
import { ERROR_CODES, type ErrorCode, Http2Error } from './errors.ts';
import * as F from './frame.ts';
import { encodeHeaders, type Headers } from './hpack.ts';
import type { HeaderField } from './hpack-table.ts';
import { Inbound, type InboundEvents } from './inbound.ts';
import { Outbox } from './outbox.ts';
import { Stream, type StreamHost } from './stream.ts';
import { DEFAULT_WINDOW, MAX_WINDOW, ReceiveWindow, SendWindow } from './window.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
/** What each stream may hold unread: a consumer that is slower than the peer stops it there. */
const STREAM_WINDOW = 1 << 20;
/** Replenished as bytes arrive, not as they are read, so that a stream that nobody reads can't starve the others. */
const CONNECTION_WINDOW = 1 << 24;
/** Our DATA frames, however large the peer would take them. */
const LARGEST_FRAME = 64 * 1024;
const MAX_STREAM_ID = 2 ** 31 - 1;

/** The byte stream below, as Bun's sockets have it. */
export interface Transport {
  /** Takes as many bytes as there is room for, and says how many; negative when closed. */
  write(bytes: Uint8Array): number;
  end(): void;
  /** Whether the open connection keeps the process alive. */
  ref(): void;
  unref(): void;
}

export class Connection implements StreamHost, InboundEvents {
  readonly #peer: string;
  readonly #transport: Transport;
  readonly #inbound = new Inbound(this);
  readonly #outbox = new Outbox();
  readonly #streams = new Map<number, Stream>();
  /** Streams without a number yet, in the order in which they were asked for. */
  readonly #queued = new Set<Stream>();
  /** Streams with something to send, in turn. */
  readonly #sending = new Set<Stream>();
  readonly #sendWindow = new SendWindow(DEFAULT_WINDOW);
  readonly #receiveWindow = new ReceiveWindow(CONNECTION_WINDOW);

  // The peer's settings.
  #initialWindow = DEFAULT_WINDOW;
  #maxFrameSize = F.DEFAULT_MAX_FRAME_SIZE;
  #maxStreams = Number.POSITIVE_INFINITY;

  #nextStreamId = 1;
  #opening = false;
  #flushScheduled = false;
  #goingAway = false;
  #failure: Http2Error | undefined;

  /** `peer` is for messages: the socket's path. */
  constructor(transport: Transport, peer: string) {
    this.#transport = transport;
    this.#peer = peer;
    this.#outbox.raw(PREFACE.length).set(Buffer.from(PREFACE));
    this.#send(
      F.SETTINGS,
      0,
      0,
      settingsPayload([F.SETTINGS_ENABLE_PUSH, 0], [F.SETTINGS_INITIAL_WINDOW, STREAM_WINDOW]),
    );
    this.windowUpdate(0, CONNECTION_WINDOW - DEFAULT_WINDOW);
    transport.unref();
  }

  /** False once the connection is lost, the peer is going away, or stream numbers are used up: open a new one. */
  get isUsable(): boolean {
    return this.#failure === undefined && !this.#goingAway && this.#nextStreamId <= MAX_STREAM_ID;
  }

  /** How many streams are open or wait for a number. */
  get streamCount(): number {
    return this.#streams.size + this.#queued.size;
  }

  /** Opens a stream now or, while the peer allows no more of them, as soon as another is over. */
  open(request: readonly HeaderField[]): Stream {
    const stream = new Stream(this, request, STREAM_WINDOW);
    if (this.streamCount === 0) this.#transport.ref();
    this.#queued.add(stream);
    this.#openQueued();
    return stream;
  }

  /** Ends the connection; open streams fail with CANCEL. */
  close(): void {
    this.#terminate(new Http2Error('CANCEL', `the connection to ${this.#peer} was closed on this side`), 'NO_ERROR');
  }

  // --- what the socket says ---

  received(chunk: Uint8Array): void {
    if (this.#failure !== undefined) return;
    try {
      this.#inbound.receive(chunk);
    } catch (error) {
      if (!(error instanceof Http2Error)) throw error;
      this.#terminate(
        new Http2Error(error.code, `${this.#peer} broke the HTTP/2 protocol: ${error.message}`),
        error.code === 'CONNECTION_LOST' ? 'INTERNAL_ERROR' : error.code,
      );
    }
  }

  /** There is room again. */
  drained(): void {
    this.#flush();
  }

  /** It is closed. */
  lost(reason: string): void {
    this.#terminate(new Http2Error('CONNECTION_LOST', `the connection to ${this.#peer} was lost: ${reason}`));
  }

  // --- what a stream says ---

  wantsToSend(stream: Stream): void {
    if (stream.id === 0) return;
    this.#sending.add(stream);
    this.#scheduleFlush();
  }

  windowUpdate(streamId: number, increment: number): void {
    this.#send(F.WINDOW_UPDATE, 0, streamId, uint32(increment));
  }

  closed(stream: Stream, code?: ErrorCode): void {
    this.#queued.delete(stream);
    this.#sending.delete(stream);
    if (this.#streams.delete(stream.id) && code !== undefined) {
      this.#send(F.RST_STREAM, 0, stream.id, uint32(ERROR_CODES.indexOf(code)));
    }
    this.#openQueued();
    if (this.streamCount > 0) return;
    if (this.isUsable) this.#transport.unref();
    else this.close();
  }

  // --- what the peer says ---

  onHeaders(streamId: number, headers: Headers, last: boolean): void {
    this.#stream(streamId)?.receiveHeaders(headers, last);
  }

  onData(streamId: number, bytes: Uint8Array, flowLength: number, last: boolean): void {
    this.#receiveWindow.received(flowLength);
    const increment = this.#receiveWindow.consumed(flowLength);
    if (increment > 0) this.windowUpdate(0, increment);
    this.#stream(streamId)?.receiveData(bytes, flowLength, last);
  }

  onReset(streamId: number, code: ErrorCode): void {
    this.#stream(streamId)?.fail(new Http2Error(code, `the stream was reset by the peer: ${code}`));
  }

  onSettings(settings: readonly (readonly [id: number, value: number])[]): void {
    for (const [id, value] of settings) this.#applySetting(id, value);
    this.#send(F.SETTINGS, F.ACK, 0, new Uint8Array());
    this.#openQueued();
  }

  onPing(payload: Uint8Array): void {
    this.#send(F.PING, F.ACK, 0, payload);
  }

  onGoaway(lastStreamId: number, code: ErrorCode, debug: string): void {
    this.#goingAway = true;
    const text = `${this.#peer} is going away and did not take the call: ${code}${debug === '' ? '' : ` (${debug})`}`;
    const refused = [...this.#streams.values()].filter(stream => stream.id > lastStreamId);
    for (const stream of [...refused, ...this.#queued]) stream.fail(new Http2Error('REFUSED_STREAM', text));
    if (this.streamCount === 0) this.close();
  }

  onWindowUpdate(streamId: number, increment: number): void {
    if (streamId === 0) this.#sendWindow.adjust(increment);
    else this.#stream(streamId)?.sendWindow?.adjust(increment);
    this.#scheduleFlush();
  }

  #applySetting(id: number, value: number): void {
    if (id === F.SETTINGS_MAX_CONCURRENT_STREAMS) {
      this.#maxStreams = value;
    } else if (id === F.SETTINGS_INITIAL_WINDOW) {
      if (value > MAX_WINDOW) throw new Http2Error('FLOW_CONTROL_ERROR', 'an initial window above 2^31-1');
      // By the difference, on top of what WINDOW_UPDATEs have given; it may go below zero (§6.9.2).
      for (const stream of this.#streams.values()) stream.sendWindow?.adjust(value - this.#initialWindow);
      this.#initialWindow = value;
      this.#scheduleFlush();
    } else if (id === F.SETTINGS_MAX_FRAME_SIZE) {
      if (value < F.DEFAULT_MAX_FRAME_SIZE || value >= 2 ** 24) {
        throw new Http2Error('PROTOCOL_ERROR', `a largest frame of ${value} bytes`);
      }
      this.#maxFrameSize = Math.min(value, LARGEST_FRAME);
    }
  }

  /** Undefined for a stream that is over: its last frames may still be under way. */
  #stream(streamId: number): Stream | undefined {
    if (streamId % 2 === 0 || streamId >= this.#nextStreamId) {
      throw new Http2Error('PROTOCOL_ERROR', `a frame on stream ${streamId}, which we have not opened`);
    }
    return this.#streams.get(streamId);
  }

  // --- sending ---

  #openQueued(): void {
    // A stream that fails here calls in again: this loop goes on with the others.
    if (this.#opening) return;
    this.#opening = true;
    for (const stream of this.#queued) {
      if (!this.isUsable) {
        stream.fail(this.#failure ?? new Http2Error('REFUSED_STREAM', `${this.#peer} takes no more calls`));
      } else if (this.#streams.size < this.#maxStreams) {
        this.#queued.delete(stream);
        this.#start(stream);
      } else {
        break;
      }
    }
    this.#opening = false;
  }

  #start(stream: Stream): void {
    stream.id = this.#nextStreamId;
    this.#nextStreamId += 2;
    stream.sendWindow = new SendWindow(this.#initialWindow);
    this.#streams.set(stream.id, stream);
    this.#sendHeaders(stream);
    if (stream.wantsToSend) this.wantsToSend(stream);
  }

  #sendHeaders(stream: Stream): void {
    const block = encodeHeaders(stream.request);
    let type = F.HEADERS;
    for (let start = 0; start < block.length; start += this.#maxFrameSize) {
      const piece = block.subarray(start, start + this.#maxFrameSize);
      const isLast = start + piece.length === block.length;
      this.#send(type, isLast ? F.END_HEADERS : 0, stream.id, piece);
      type = F.CONTINUATION;
    }
  }

  #send(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    if (this.#failure !== undefined) return;
    this.#outbox.frame(type, flags, streamId, payload);
    this.#scheduleFlush();
  }

  /** One write for all that is sent in one go. */
  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    queueMicrotask(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  /** Writes until nothing is left that may be sent, or the socket is full. */
  #flush(): void {
    if (this.#failure !== undefined) return;
    do {
      this.#fillOutbox();
      if (this.#outbox.isEmpty) return;
      this.#outbox.flush(bytes => this.#transport.write(bytes));
    } while (this.#outbox.isEmpty);
  }

  /** A frame from each stream in turn, as far as both windows allow. */
  #fillOutbox(): void {
    // A stream that is deleted and added again comes up anew at the end of this same loop.
    for (const stream of this.#sending) {
      if (!this.#outbox.hasRoom) return;
      const frame = stream.nextFrame(Math.min(this.#maxFrameSize, this.#sendWindow.available));
      if (frame === undefined) continue;
      this.#sendWindow.take(frame.bytes.length);
      this.#outbox.frame(F.DATA, frame.last ? F.END_STREAM : 0, stream.id, frame.bytes);
      this.#sending.delete(stream);
      if (stream.wantsToSend) this.#sending.add(stream);
    }
  }

  /** With a code, the peer is told. */
  #terminate(error: Http2Error, code?: ErrorCode): void {
    if (this.#failure !== undefined) return;
    if (code !== undefined) {
      const payload = new Uint8Array(8);
      F.writeUint32(payload, 4, ERROR_CODES.indexOf(code));
      this.#outbox.frame(F.GOAWAY, 0, 0, payload);
      this.#outbox.flush(bytes => this.#transport.write(bytes));
    }
    this.#failure = error;
    this.#transport.end();
    for (const stream of [...this.#streams.values(), ...this.#queued]) stream.fail(error);
  }
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  F.writeUint32(bytes, 0, value);
  return bytes;
}

function settingsPayload(...settings: (readonly [id: number, value: number])[]): Uint8Array {
  const payload = new Uint8Array(6 * settings.length);
  settings.forEach(([id, value], i) => {
    payload[6 * i + 1] = id;
    F.writeUint32(payload, 6 * i + 2, value);
  });
  return payload;
}
