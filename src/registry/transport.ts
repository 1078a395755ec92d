/**
 * One HTTP request by Bun's fetch: with a watch on silence, redirects that take no credentials along, and a body that is read at the
 * consumer's pace (fetch stops reading the socket while nobody asks: 1 GB costs some 40 MB of memory at any speed of the consumer).
 */
import { printable, RegistryError } from './errors.ts';
import { proxyFor } from './proxy.ts';

export interface TlsSettings {
  /** PEM; all that is trusted. Where not given: Bun's own list. */
  ca?: string[];
  cert?: string;
  key?: string;
  /** The certificate of this host (no other, as after a redirect) is not verified. */
  skipVerify?: string;
}

export interface Request {
  url: URL;
  /** Sent to the origin of `url` only. */
  headers: Record<string, string>;
  /** Fields of a form to POST; GET without. */
  form?: URLSearchParams;
  tls: TlsSettings;
  /** Milliseconds. */
  silence: number;
  signal: AbortSignal;
}

const redirects = new Set([301, 302, 303, 307, 308]);
const mostRedirects = 5;

/** The answer, whatever its status, after redirects. Throws RegistryError `unreachable`, `untrusted` or `refused`, or the signal's reason. */
export async function exchange(request: Request): Promise<Answer> {
  let { url, headers } = request;
  for (let hops = 0; hops <= mostRedirects; hops++) {
    const answer = await send({ ...request, url, headers });
    if (request.form !== undefined || !redirects.has(answer.status)) return answer;
    answer.close();
    const next = target(answer, url);
    if (next.origin !== url.origin) headers = { ...onlyHarmless(headers) };
    url = next;
  }
  throw new RegistryError('refused', `more than ${mostRedirects} redirects`, { server: url.host });
}

/** What may go to any host: no Authorization, and nothing that hosts.toml says for one. */
function onlyHarmless(headers: Record<string, string>): Record<string, string> {
  const harmless = new Set(['accept', 'range', 'user-agent']);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => harmless.has(name.toLowerCase())));
}

function target(answer: Answer, from: URL): URL {
  const to = URL.parse(answer.headers.get('location') ?? '', from.href);
  const fault =
    to === null
      ? 'redirects to no address'
      : !/^https?:$/.test(to.protocol)
        ? `redirects to ${printable(to.protocol, 40)}`
        : from.protocol === 'https:' && to.protocol === 'http:'
          ? `redirects from https to http (${to.host})`
          : undefined;
  if (to === null || fault !== undefined) {
    throw new RegistryError('refused', fault ?? '', { server: from.host, status: answer.status });
  }
  // Credentials in it would be somebody else's.
  to.username = '';
  to.password = '';
  return to;
}

async function send({ url, headers, form, tls, silence, signal }: Request): Promise<Answer> {
  signal.throwIfAborted();
  const proxy = await proxyFor(url);
  const watch = new Watch(silence, signal);
  try {
    const response = await watch.during(
      fetch(url, {
        headers: { 'user-agent': 'kuke', 'accept-encoding': 'identity', ...headers },
        ...(form !== undefined && { method: 'POST', body: form }),
        redirect: 'manual',
        decompress: false,
        // Ours is the only clock, and it stands still while nobody reads.
        timeout: false,
        signal: watch.signal,
        // Bun's own rules for NO_PROXY are others.
        proxy: proxy ?? false,
        tls: {
          // Said even where it is the default, which NODE_TLS_REJECT_UNAUTHORIZED would change.
          rejectUnauthorized: tls.skipVerify !== url.host,
          ...(tls.ca !== undefined && { ca: tls.ca }),
          ...(tls.cert !== undefined && { cert: tls.cert, key: tls.key ?? tls.cert }),
        },
      }),
    );
    return new Answer(response, url, watch);
  } catch (error) {
    watch.end();
    const fault = connectionFault(error, url, signal);
    if (proxy === undefined || !(fault instanceof RegistryError) || fault.code !== 'unreachable') throw fault;
    throw new RegistryError(fault.code, `by the proxy ${URL.parse(proxy)?.host}: ${fault.fault}`, fault.details);
  }
}

/** Ends a connection on which nothing has come for a while, or when the caller's signal says so. */
class Watch {
  readonly #controller = new AbortController();
  readonly #silence: number;
  readonly #caller: AbortSignal;
  readonly #abort = () => this.#controller.abort(this.#caller.reason);

  constructor(silence: number, caller: AbortSignal) {
    this.#silence = silence;
    this.#caller = caller;
    caller.addEventListener('abort', this.#abort);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  async during<T>(work: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#controller.abort(new Silence(this.#silence)), this.#silence);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes the connection, unless the answer has been read to its end. */
  end(): void {
    this.#caller.removeEventListener('abort', this.#abort);
    this.#controller.abort();
  }
}

class Silence extends Error {
  constructor(milliseconds: number) {
    super(`nothing came for ${milliseconds / 1000} s`);
  }
}

/** Status, headers and body of an answer. Whoever has one reads it to its end or closes it. */
export class Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Where it came from in the end. */
  readonly url: URL;
  readonly #body: ReturnType<typeof readerOf> | undefined;
  readonly #watch: Watch;

  constructor(response: Response, url: URL, watch: Watch) {
    this.status = response.status;
    this.headers = response.headers;
    this.url = url;
    this.#body = readerOf(response);
    this.#watch = watch;
  }

  get isOk(): boolean {
    return this.status === 200 || this.status === 206;
  }

  /** The next piece of the body; undefined at its end. Throws as `exchange` does, `signal` being the same. */
  async read(signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | undefined> {
    signal.throwIfAborted();
    if (this.#body === undefined) return undefined;
    try {
      const { done, value } = await this.#watch.during(this.#body.read());
      return done ? undefined : value;
    } catch (error) {
      throw connectionFault(error, this.url, signal);
    }
  }

  /** The body, of at most `most` bytes; undefined where it is longer. */
  async readAll(most: number, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    try {
      for (let chunk = await this.read(signal); chunk !== undefined; chunk = await this.read(signal)) {
        size += chunk.length;
        if (size > most) return undefined;
        chunks.push(chunk);
      }
    } finally {
      this.close();
    }
    return new Uint8Array(Buffer.concat(chunks));
  }

  /** Lets go of the connection. */
  close(): void {
    this.#watch.end();
    this.#body?.cancel().catch(() => {});
  }
}

const readerOf = (response: Response) => {
  const body: ReadableStream<Uint8Array<ArrayBuffer>> | null = response.body;
  return body?.getReader();
};

const words: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was closed by the other side',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name could not be looked up',
  ETIMEDOUT: 'no connection in time',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to its network',
  EPROTO: 'the TLS handshake failed; it may speak plain HTTP, or want a client’s certificate',
};
const certificateFault = /CERT|VERIFY|ISSUER|SELF_SIGNED|CRL/;

function connectionFault(error: unknown, { host }: URL, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof Silence)
    return new RegistryError('unreachable', error.message, { server: host, transient: true });
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const said = printable(inBrief(error instanceof Error ? error.message : String(error)));
  if (certificateFault.test(code)) {
    return new RegistryError('untrusted', `its certificate is not trusted: ${said}`, { server: host });
  }
  return new RegistryError('unreachable', words[code] ?? said, {
    server: host,
    transient: code !== 'ENOTFOUND' && code !== 'EPROTO',
  });
}

/** Without what Bun advises to programmers, and with hosts in place of addresses, which may hold the keys of a redirect. */
const inBrief = (message: string) =>
  message
    .replace(/ For more information.*/s, '')
    .replace(/\bhttps?:\/\/[^\s"'`]+/g, address => URL.parse(address)?.host ?? 'an address');
