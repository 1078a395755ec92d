/** What one host is shown so that it answers: nothing until it asks, then what it asks for, once for all requests under way. */
import { readChallenge } from './challenge.ts';
import type { Context } from './context.ts';
import { basic, type Credentials, secretsOf } from './credentials.ts';
import type { Endpoint } from './endpoint.ts';
import { fetchToken, type Token } from './token.ts';

export class Authorizer {
  readonly #endpoint: Endpoint;
  readonly #context: Context;
  #current: Token | undefined;
  /** The header that was last answered, to log in again before a token runs out. */
  #challenge: string | null = null;
  #login: Promise<Token | undefined> | undefined;
  #credentials: Promise<Credentials | undefined> | undefined;

  constructor(endpoint: Endpoint, context: Context) {
    this.#endpoint = endpoint;
    this.#context = context;
  }

  /** The value of Authorization for the next request, if there is one. */
  async header(): Promise<string | undefined> {
    if (this.#current !== undefined && performance.now() >= this.#current.until) await this.#loggedIn();
    return this.#current?.authorization;
  }

  /** After a 401 to a request with `used`: another value to try, or undefined where there is none. */
  async answer(challenge: string | null, used: string | undefined): Promise<string | undefined> {
    const current = this.#current?.authorization;
    // Another request has logged in meanwhile.
    if (current !== undefined && current !== used && this.#login === undefined) return current;
    if (this.#login === undefined) this.#challenge = challenge;
    await this.#loggedIn();
    const next = this.#current?.authorization;
    return next === used ? undefined : next;
  }

  async #loggedIn(): Promise<void> {
    this.#login ??= this.#logIn().finally(() => {
      this.#login = undefined;
    });
    this.#current = await this.#login;
  }

  async #logIn(): Promise<Token | undefined> {
    const challenge = readChallenge(this.#challenge);
    if (challenge === undefined) return undefined;
    this.#credentials ??= this.#context.credentials(this.#endpoint.server, this.#context.signal);
    const credentials = await this.#credentials;
    if (credentials !== undefined) this.#context.keepSecret(...secretsOf(credentials));
    if (challenge.scheme === 'bearer') return fetchToken(challenge, credentials, this.#endpoint, this.#context);
    if (credentials === undefined || 'identityToken' in credentials) return undefined;
    return { authorization: basic(credentials), until: Number.POSITIVE_INFINITY };
  }
}
