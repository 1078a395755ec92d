/** Requests over the daemon's socket, and answers: whole, by the line, by the byte. */
import { ApiError } from './api-error.ts';
import type { ErrorBody, Outcome } from './types.ts';

export type QueryValue = string | number | boolean | readonly string[] | undefined;

export interface Asking {
  method?: 'GET' | 'POST' | 'DELETE';
  query?: Record<string, QueryValue>;
  /** A text as it is, all else as JSON. */
  body?: unknown;
  /** In place of it: bytes as they come. */
  source?: AsyncIterable<Uint8Array> | Blob;
  signal?: AbortSignal | undefined;
}

export interface Transport {
  json<T>(path: string, asking?: Asking): Promise<T>;
  text(path: string, asking?: Asking): Promise<string>;
  lines<T>(path: string, asking?: Asking): AsyncGenerator<T>;
  bytes(path: string, asking?: Asking): AsyncGenerator<Uint8Array>;
}

export function pathWith(path: string, query: Record<string, QueryValue> = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    const values = Array.isArray(value) ? value : [value];
    for (const one of values) if (one !== undefined) search.append(name, String(one));
  }
  return search.size === 0 ? path : `${path}?${search}`;
}

export function transportOn(socket: string): Transport {
  const ask = async (
    path: string,
    { method = 'GET', query, body, source, signal }: Asking,
    accept: string,
  ): Promise<Response> => {
    const isText = typeof body === 'string';
    const init: BunFetchRequestInit & { timeout: false } = {
      method,
      unix: socket,
      // One that is kept may be closed by the daemon just as the next request is sent: nobody knows then whether that was heard.
      keepalive: false,
      timeout: false, // a change waits for as long as it was asked to
      headers: {
        accept,
        ...(body !== undefined && { 'content-type': isText ? 'application/yaml' : 'application/json' }),
      },
      ...(body !== undefined && { body: isText ? body : JSON.stringify(body) }),
      ...(source !== undefined && { body: source instanceof Blob ? source : streamOf(source) }),
      ...(signal && { signal }),
    };
    const response = await fetch(`http://kukeond${pathWith(path, query)}`, init).catch((thrown: unknown) => {
      if (signal?.aborted) throw thrown;
      const [why] = (thrown instanceof Error ? thrown.message : String(thrown)).split(' For more information');
      throw new Error(`kukeond at ${socket} has not answered ${method} ${path}: ${why}`, { cause: thrown });
    });
    if (!response.ok) throw await errorOf(response);
    return response;
  };
  async function* bytes(path: string, asking: Asking = {}): AsyncGenerator<Uint8Array> {
    const { body } = await ask(path, asking, '*/*');
    if (body === null) return;
    try {
      yield* body;
    } catch (thrown) {
      throw asking.signal?.aborted ? thrown : cutOff(thrown);
    }
  }
  return {
    async json<T>(path: string, asking: Asking = {}) {
      const response = await ask(path, asking, 'application/json');
      const answer: unknown = await response.json().catch((thrown: unknown) => {
        throw asking.signal?.aborted ? thrown : cutOff(thrown);
      });
      return answer as T;
    },
    text: async (path, asking = {}) => (await ask(path, asking, '*/*')).text(),
    bytes,
    async *lines<T>(path: string, asking?: Asking) {
      const decoder = new TextDecoder();
      let rest = '';
      for await (const piece of bytes(path, asking)) {
        const parts = (rest + decoder.decode(piece, { stream: true })).split('\n');
        rest = parts.pop() ?? '';
        for (const part of parts) if (part !== '') yield JSON.parse(part) as T;
      }
    },
  };
}

/** What was asked for may have been done. */
export const cutOff = (cause?: unknown): Error =>
  new Error('kukeond has closed the connection in the middle of its answer', { cause });

function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(to) {
      const { value, done } = await pieces.next();
      if (done) to.close();
      else to.enqueue(value);
    },
    cancel: async () => void (await pieces.return?.()),
  });
}

async function errorOf(response: Response): Promise<Error> {
  const text = await response.text();
  try {
    const { error, outcomes } = JSON.parse(text) as { error: ErrorBody; outcomes?: Outcome[] };
    return new ApiError(error, response.status, outcomes);
  } catch {
    return new Error(`HTTP ${response.status}: ${text.slice(0, 200)}`);
  }
}
