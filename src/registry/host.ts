/** One host of a registry, itself or a mirror: requests that are authorized, retried, and told of in errors. */
import { answerFault } from './answer-fault.ts';
import { Authorizer } from './authorizer.ts';
import type { Context } from './context.ts';
import { connects } from './dial.ts';
import type { Endpoint } from './endpoint.ts';
import { RegistryError } from './errors.ts';
import type { Patience } from './patience.ts';
import { proxyFor } from './proxy.ts';
import { type Answer, exchange } from './transport.ts';

// Where there is another host to ask, little is waited for this one.
const mirrorPatience = { retries: 1, longestWait: 2000 };
const secretHeader = /auth|token|key|cookie|secret|password/;

export class Host {
  readonly endpoint: Endpoint;
  readonly #context: Context;
  readonly #authorizer: Authorizer;
  readonly #isLast: boolean;
  #dialled: Promise<void> | undefined;
  #hasAnswered = false;
  /** It was given up, since it could not be reached. */
  isDown = false;

  constructor(endpoint: Endpoint, context: Context, isLast: boolean) {
    this.endpoint = endpoint;
    this.#context = context;
    this.#isLast = isLast;
    this.#authorizer = new Authorizer(endpoint, context);
    for (const [name, value] of Object.entries(endpoint.headers))
      if (secretHeader.test(name)) context.keepSecret(value);
  }

  patience(): Patience {
    return this.#context.patience(this.#isLast ? {} : mirrorPatience);
  }

  /** One attempt at `GET <API>/<repository>/<path>`: an answer with 200 or 206. Throws RegistryError with what is said in `at`. */
  async get(path: string, headers: Record<string, string>, at: { reference: string; step: string }): Promise<Answer> {
    try {
      await this.#dial();
      const answer = await this.#authorized(this.#address(path), headers);
      this.#hasAnswered = true;
      if (!answer.isOk) throw await answerFault(answer, this.#context.signal, this.#context.redact);
      this.isDown = false;
      return answer;
    } catch (error) {
      throw this.fault(error, at);
    }
  }

  /** The error with this host's name, if it does not know one. */
  fault(error: unknown, at: { reference: string; step: string }): unknown {
    if (!(error instanceof RegistryError)) return error;
    const known = error.at({ ...at, server: this.endpoint.url.host, ...this.#remedy(error) });
    if (this.#isLast || error.code !== 'unreachable') return known;
    // One that has never answered is not waited for twice.
    return known.with({ transient: this.#hasAnswered && error.details.transient === true });
  }

  #remedy({ code, fault, details }: RegistryError): { remedy?: string } {
    const { folder, url } = this.endpoint;
    if (code === 'untrusted') return { remedy: `if it is the right one: name its CA in ${folder}/hosts.toml` };
    const wantsTls = url.protocol === 'http:' && details.status === 400 && fault.includes('HTTPS');
    return wantsTls ? { remedy: `write server = "https://${url.host}" into ${folder}/hosts.toml` } : {};
  }

  #address(path: string): URL {
    const { url, mirrorOf } = this.endpoint;
    const address = new URL(url);
    address.pathname = `${url.pathname}/${this.#context.path}/${path}`;
    if (mirrorOf !== undefined) address.searchParams.set('ns', mirrorOf);
    return address;
  }

  async #authorized(url: URL, headers: Record<string, string>): Promise<Answer> {
    const authorization = await this.#authorizer.header();
    const answer = await this.#send(url, headers, authorization);
    if (answer.status !== 401 || answer.url.origin !== url.origin) return answer;
    const next = await this.#authorizer.answer(answer.headers.get('www-authenticate'), authorization).catch(error => {
      answer.close();
      throw error;
    });
    if (next === undefined) return answer;
    answer.close();
    return this.#send(url, headers, next);
  }

  #send(url: URL, headers: Record<string, string>, authorization: string | undefined): Promise<Answer> {
    return exchange({
      url,
      headers: { ...this.endpoint.headers, ...headers, ...(authorization !== undefined && { authorization }) },
      tls: this.endpoint.tls,
      silence: this.#context.timing.silence,
      signal: this.#context.signal,
    });
  }

  async #dial(): Promise<void> {
    const { url, dialTimeout } = this.endpoint;
    // To the proxy there is a way of its own, and beside it there may be none.
    if (dialTimeout === undefined || (await proxyFor(url)) !== undefined) return;
    this.#dialled ??= connects(url, dialTimeout, this.#context.signal).catch(error => {
      this.#dialled = undefined; // the next attempt is one
      throw error;
    });
    await this.#dialled;
  }
}
