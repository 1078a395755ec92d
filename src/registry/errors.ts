/** What goes wrong between a client and a registry. The message names server, reference, step and the registry's own words. */

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
  /** hosts.toml, a certificate or ~/.docker/config.json is malformed or unreadable. */
  | 'configuration';

export interface RegistryErrorDetails {
  /** Host and port. */
  server?: string;
  /** `docker.io/library/nginx:alpine` */
  reference?: string;
  /** `resolve`, `fetch the manifest`, `fetch the layer`, `log in` */
  step?: string;
  /** HTTP status. */
  status?: number;
  /** What to do next. */
  remedy?: string;
  cause?: unknown;
}

export class RegistryError extends Error {
  readonly code: RegistryErrorCode;
  readonly details: RegistryErrorDetails;

  constructor(code: RegistryErrorCode, message: string, details: RegistryErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'RegistryError';
    this.code = code;
    this.details = details;
  }
}
