/** One stream of a connection: an HTTP/2 request and its response. */
import { type ErrorCode, Http2Error } from './errors.ts';
import type { Headers } from './hpack.ts';
import type { HeaderField } from './hpack-table.ts';
import { ReceiveWindow, type SendWindow } from './window.ts';

/** What a stream asks of its connection. */
export interface StreamHost {
  /** The stream has something to send. */
  wantsToSend(stream: Stream): void;
  windowUpdate(streamId: number, increment: number): void;
  /** The stream is over; with a code, the peer has to be told. */
  closed(stream: Stream, code?: ErrorCode): void;
}

interface Outgoing {
  bytes: Uint8Array;
  /** How much of it went out. */
  sent: number;
  last: boolean;
  resolve(): void;
  reject(error: Error): void;
}

interface Reader {
  resolve(chunk: Uint8Array | undefined): void;
  reject(error: Error): void;
}

export class Stream {
  /** 0 until the connection has given it a number, which waits while the peer's MAX_CONCURRENT_STREAMS are in use. */
  id = 0;
  readonly request: readonly HeaderField[];
  /** Of the response; there before `read` first resolves. */
  headers: Headers | undefined;
  /** There after `read` has given undefined; the headers themselves where the response has nothing else. */
  trailers: Headers | undefined;
  /** Set by the connection when the stream gets its number. */
  sendWindow: SendWindow | undefined;
  /** Called once, when the stream is over, in whatever way. */
  onClose: (() => void) | undefined;

  readonly #host: StreamHost;
  readonly #receiveWindow: ReceiveWindow;
  readonly #outgoing: Outgoing[] = [];
  readonly #incoming: Uint8Array[] = [];
  #reader: Reader | undefined;
  #localEnded = false;
  #isClosed = false;
  #failure: Error | undefined;

  constructor(host: StreamHost, request: readonly HeaderField[], receiveWindow: number) {
    this.#host = host;
    this.request = request;
    this.#receiveWindow = new ReceiveWindow(receiveWindow);
  }

  // --- for the user of the stream ---

  /** Resolves when flow control has let all of `bytes` out. `last` ends our side. Rejects once the stream is over. */
  write(bytes: Uint8Array, last = false): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed || this.#localEnded) return reject(this.#overError());
      this.#localEnded = last;
      this.#outgoing.push({ bytes, sent: 0, last, resolve, reject });
      this.#host.wantsToSend(this);
    });
  }

  /** The next piece of the response's body, undefined at its end. What came before a failure is still given. One reader at a time. */
  read(): Promise<Uint8Array | undefined> {
    const chunk = this.#incoming.shift();
    if (chunk !== undefined) {
      this.#consume(chunk.length);
      return Promise.resolve(chunk);
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.trailers !== undefined) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  /** Gives the stream up; what it has received and not yet read is dropped. Without effect on one that is over. */
  reset(code: ErrorCode, error: Error): void {
    this.#incoming.length = 0;
    if (!this.#isClosed) this.#close(error, code);
  }

  // --- for the connection ---

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get wantsToSend(): boolean {
    return this.#outgoing.length > 0;
  }

  /** The next piece to send in one frame, at most `limit` bytes of it; undefined while flow control forbids it. */
  nextFrame(limit: number): { bytes: Uint8Array; last: boolean } | undefined {
    const next = this.#outgoing[0];
    if (next === undefined || this.sendWindow === undefined) return undefined;
    const left = next.bytes.length - next.sent;
    const length = Math.min(left, limit, this.sendWindow.available);
    if (length === 0 && left > 0) return undefined;
    const bytes = next.bytes.subarray(next.sent, next.sent + length);
    next.sent += length;
    this.sendWindow.take(length);
    if (length < left) return { bytes, last: false };
    this.#outgoing.shift();
    next.resolve();
    return { bytes, last: next.last };
  }

  receiveHeaders(headers: Headers, last: boolean): void {
    if (this.headers === undefined && headers.get(':status')?.startsWith('1') && !last) return;
    if (this.headers !== undefined && !last) throw new Http2Error('PROTOCOL_ERROR', 'headers within a response');
    this.headers ??= headers;
    if (last) this.#end(headers);
  }

  /** `flowLength` is the length of the whole frame, padding included: that is what the window counts. */
  receiveData(bytes: Uint8Array, flowLength: number, last: boolean): void {
    if (this.headers === undefined) throw new Http2Error('PROTOCOL_ERROR', 'data before the headers of a response');
    this.#receiveWindow.received(flowLength);
    this.#consume(flowLength - bytes.length);
    const reader = this.#reader;
    if (bytes.length > 0 && reader !== undefined) {
      this.#reader = undefined;
      this.#consume(bytes.length);
      reader.resolve(bytes);
    } else if (bytes.length > 0) {
      this.#incoming.push(bytes);
    }
    if (last) this.#end(new Map());
  }

  /** The peer reset the stream, or the connection is gone: nothing more can be sent or said. */
  fail(error: Error): void {
    if (!this.#isClosed) this.#close(error);
  }

  #consume(bytes: number): void {
    const increment = this.#receiveWindow.consumed(bytes);
    if (increment > 0 && !this.#isClosed) this.#host.windowUpdate(this.id, increment);
  }

  /** A response that ends before our side does ends the stream: in gRPC the trailers have the last word. */
  #end(trailers: Headers): void {
    this.trailers = trailers;
    this.#close(undefined, this.#localEnded && this.#outgoing.length === 0 ? undefined : 'NO_ERROR');
  }

  #close(failure: Error | undefined, code?: ErrorCode): void {
    this.#isClosed = true;
    this.#failure = failure;
    this.#host.closed(this, code);
    for (const { reject } of this.#outgoing.splice(0)) reject(this.#overError());
    const reader = this.#reader;
    this.#reader = undefined;
    if (failure === undefined) reader?.resolve(undefined);
    else reader?.reject(failure);
    this.onClose?.();
  }

  #overError(): Error {
    return this.#failure ?? new Http2Error('STREAM_CLOSED', 'the stream is over');
  }
}
