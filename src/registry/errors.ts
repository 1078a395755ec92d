/** What goes wrong between a client and a registry: one line that names server, reference, step and the registry's own words. */

export type RegistryErrorCode =
  /** No connection, or it broke again and again. */
  | 'unreachable'
  /** The server's certificate is not trusted. */
  | 'untrusted'
  /** 401 or 403: no credentials, or the wrong ones, or no right. */
  | 'unauthorized'
  | 'not-found'
  /** 429, also after waiting. */
  | 'rate-limited'
  /** 5xx, also after waiting. */
  | 'server-failed'
  /** Any other status, or an answer that the protocol does not allow. */
  | 'refused'
  /** Digest or size differ from what was asked for. A new download may give the right bytes. */
  | 'corrupt'
  /** A media type that no client of today reads (Docker's schema 1), or no image. */
  | 'unsupported'
  /** hosts.toml, a certificate or ~/.docker/config.json is malformed or unreadable, or a name is none. */
  | 'configuration';

export interface RegistryErrorDetails {
  /** Host and port. */
  server?: string;
  /** `docker.io/library/nginx:alpine` */
  reference?: string;
  /** `resolve`, `fetch the manifest`, `fetch the blob`, `log in` */
  step?: string;
  /** HTTP status. */
  status?: number;
  /** What to do next, where there is more to say than the code does: the file to mend, the path for a CA. */
  remedy?: string;
  /** Whether the same request may succeed a little later; `retryAfter`: in so many milliseconds, says the server. */
  transient?: boolean;
  retryAfter?: number;
  cause?: unknown;
}

export class RegistryError extends Error {
  readonly code: RegistryErrorCode;
  /** The fault alone, without server, reference and step. */
  readonly fault: string;
  readonly details: RegistryErrorDetails;

  constructor(code: RegistryErrorCode, fault: string, details: RegistryErrorDetails = {}) {
    const { reference, step, server } = details;
    // The reference of an image names its server, unless that was a mirror.
    const elsewhere = server === undefined || reference?.startsWith(`${server}/`) === true ? undefined : server;
    const where = [reference, step, elsewhere].filter(part => part !== undefined);
    super([...where, fault].join(': '), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'RegistryError';
    this.code = code;
    this.fault = fault;
    this.details = details;
  }

  /** The same with what it did not know filled in. */
  at(details: RegistryErrorDetails): RegistryError {
    return new RegistryError(this.code, this.fault, { ...details, ...this.details });
  }

  /** The same with these in place of what it said. */
  with(details: RegistryErrorDetails): RegistryError {
    return new RegistryError(this.code, this.fault, { ...this.details, ...details });
  }
}

/** What somebody else wrote, fit for one line of a terminal: no control characters, not long. */
export function printable(text: string, most = 300): string {
  const clean = text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .replace(/\p{Cs}/gu, '\u{fffd}');
  return clean.length <= most ? clean : `${[...clean].slice(0, most).join('')}…`;
}
