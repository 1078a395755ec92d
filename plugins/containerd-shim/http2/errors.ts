/** Error codes of HTTP/2 (RFC 9113 §7), and what a stream or a connection fails with. */

export const ERROR_CODES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** A stream or a connection that ended before its time. `CONNECTION_LOST` is ours, for a peer that went away. */
export class Http2Error extends Error {
  override readonly name = 'Http2Error';
  readonly code: ErrorCode | 'CONNECTION_LOST';

  constructor(code: ErrorCode | 'CONNECTION_LOST', message: string) {
    super(message);
    this.code = code;
  }
}

/** No connection could be made. `code` is the errno's name (`ENOENT`, `ECONNREFUSED`, `EACCES`), `path` the socket's. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError';
  readonly code: string;
  readonly path: string;

  constructor(path: string, code: string, text: string, cause: unknown) {
    super(`cannot connect to ${path}: ${text} (${code})`, { cause });
    this.code = code;
    this.path = path;
  }
}
