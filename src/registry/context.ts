/** What all parts of one open repository share. */
import type { CredentialsOf } from './credentials.ts';
import { Patience, type Timing } from './patience.ts';

export class Context {
  /** In full: `docker.io/library/nginx`. */
  readonly name: string;
  /** Without the registry: `library/nginx`. */
  readonly path: string;
  readonly credentials: CredentialsOf;
  readonly timing: Timing;
  readonly signal: AbortSignal;
  readonly #log: ((line: string) => void) | undefined;
  readonly #warn: ((line: string) => void) | undefined;
  readonly #warned = new Set<string>();
  readonly #secrets = new Set<string>();

  constructor(
    name: string,
    path: string,
    options: {
      credentials: CredentialsOf;
      timing: Timing;
      signal: AbortSignal;
      log?: ((line: string) => void) | undefined;
      warn?: ((line: string) => void) | undefined;
    },
  ) {
    this.name = name;
    this.path = path;
    this.credentials = options.credentials;
    this.timing = options.timing;
    this.signal = options.signal;
    this.#log = options.log;
    this.#warn = options.warn;
  }

  /** From now on `text` is taken out of whatever a server says. */
  keepSecret(...texts: string[]): void {
    for (const text of texts) if (text.length > 2) this.#secrets.add(text);
  }

  /** The longest first: one may be a part of another. */
  readonly redact = (text: string): string =>
    [...this.#secrets]
      .sort((one, other) => other.length - one.length)
      .reduce((all, secret) => all.replaceAll(secret, '***'), text);

  log(line: string): void {
    this.#log?.(line);
  }

  /** `what`: by which it is known to have been told. */
  warn(line: string, what = line): void {
    if (!this.#warned.has(what)) this.#warn?.(line);
    this.#warned.add(what);
  }

  patience(less: Partial<Timing> = {}): Patience {
    return new Patience({ ...this.timing, ...less }, this.signal, line => this.log(line));
  }
}
