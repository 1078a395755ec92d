/** A gRPC call of any of the four kinds, on one HTTP/2 stream. Messages are bytes here. */
import type { Connection } from '../http2/connection.ts';
import { Http2Error } from '../http2/errors.ts';
import type { HeaderField } from '../http2/hpack-table.ts';
import type { Stream } from '../http2/stream.ts';
import { MessageReader } from './framing.ts';
import { errorOfHeaders, errorOfStream, errorOfTrailers } from './outcome.ts';
import { GrpcError } from './status.ts';

export interface CallOptions {
  /** Names in lower case, values of printable ASCII. */
  metadata?: Readonly<Record<string, string>>;
  /** Aborting it cancels the call: GrpcError CANCELLED. */
  signal?: AbortSignal | undefined;
  /** GrpcError DEADLINE_EXCEEDED after that; the server is told too. */
  timeoutMs?: number | undefined;
}

/** The server is told a later deadline, so that it is ours that is seen to pass: containerd calls its own UNKNOWN. */
const SERVER_GRACE = 1000;
/** Longer ones are no limit: gRPC's header has eight digits. */
const LONGEST_TIMEOUT = 99_999_999 - SERVER_GRACE;

export class Call {
  readonly method: string;
  readonly #stream: Stream;
  readonly #messages: MessageReader;
  #headersChecked = false;

  /** `timeoutMs` counts from here on. Throws GrpcError INVALID_ARGUMENT on metadata that can't be sent. */
  constructor(connection: Connection, method: string, { metadata = {}, signal, timeoutMs }: CallOptions) {
    this.method = method;
    const limit =
      timeoutMs === undefined || timeoutMs > LONGEST_TIMEOUT ? undefined : Math.max(1, Math.ceil(timeoutMs));
    const stream = connection.open(requestHeaders(method, metadata, limit));
    this.#stream = stream;
    this.#messages = new MessageReader(() => this.#readPiece(), method);

    const timer = limit === undefined ? undefined : setTimeout(() => this.#expire(limit), limit);
    const onAbort = () => this.cancel(signal?.reason);
    signal?.addEventListener('abort', onAbort);
    stream.onClose = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    if (stream.isClosed) stream.onClose();
  }

  /**
   * `message` comes with its prefix (framing.ts). Resolves once flow control has let it out; rejects with the call's error.
   * After the server has ended the call with OK, messages are dropped: `receive` tells what came of it.
   */
  async send(message: Uint8Array, last = false): Promise<void> {
    try {
      await this.#stream.write(message, last);
    } catch (error) {
      const failure = this.#outcome(error);
      if (failure !== undefined) throw failure;
    }
  }

  /** No more messages from this side. */
  end(): Promise<void> {
    return this.send(new Uint8Array(), true);
  }

  /** The next message; undefined when the server ended the call with OK. Every other end throws GrpcError. */
  async receive(): Promise<Uint8Array | undefined> {
    let failure: unknown;
    try {
      const message = await this.#messages.read();
      if (message !== undefined) return message;
    } catch (error) {
      failure = error;
      this.cancel();
    }
    failure = this.#outcome(failure);
    if (failure !== undefined) throw failure;
    return undefined;
  }

  /** RST_STREAM CANCEL, if the call isn't over yet. */
  cancel(reason?: unknown): void {
    this.#stream.reset('CANCEL', cancelled(this.method, reason));
  }

  #expire(limit: number): void {
    this.#stream.reset('CANCEL', new GrpcError('DEADLINE_EXCEEDED', `no answer within ${limit} ms`, this.method));
  }

  async #readPiece(): Promise<Uint8Array | undefined> {
    const piece = await this.#stream.read();
    if (!this.#headersChecked) {
      this.#headersChecked = true;
      const failure = errorOfHeaders(this.#stream.headers, this.method);
      if (failure !== undefined) throw failure;
    }
    return piece;
  }

  /** What the call ended with, undefined for OK: the server's status before `error`, which is how reading or writing failed. */
  #outcome(error: unknown): unknown {
    const { trailers } = this.#stream;
    const ofTrailers = trailers === undefined ? undefined : errorOfTrailers(trailers, this.method);
    if (ofTrailers !== undefined && !(error instanceof GrpcError)) return ofTrailers;
    if (!(error instanceof Http2Error)) return error;
    return trailers === undefined ? errorOfStream(error, this.method) : undefined;
  }
}

export function cancelled(method: string, reason: unknown): GrpcError {
  const text = reason instanceof Error && reason.name !== 'AbortError' ? `cancelled: ${reason.message}` : 'cancelled';
  return new GrpcError('CANCELLED', text, method, reason);
}

function requestHeaders(
  method: string,
  metadata: Readonly<Record<string, string>>,
  timeoutMs: number | undefined,
): HeaderField[] {
  const headers: HeaderField[] = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', method],
    [':authority', 'localhost'],
    ['te', 'trailers'],
    ['content-type', 'application/grpc'],
    ['user-agent', 'kuke'],
  ];
  if (timeoutMs !== undefined) headers.push(['grpc-timeout', `${timeoutMs + SERVER_GRACE}m`]);
  for (const [name, value] of Object.entries(metadata)) {
    if (!/^[\x20-\x7e]*$/.test(value)) {
      throw new GrpcError('INVALID_ARGUMENT', `${name}: ${JSON.stringify(value)} is not printable ASCII`, method);
    }
    headers.push([name, value]);
  }
  return headers;
}
