/** How a call ended, as gRPC sees it (gRPC over HTTP/2, "Responses" and "Errors"; "HTTP to gRPC status code mapping"). */
import type { ErrorCode, Http2Error } from '../http2/errors.ts';
import type { Headers } from '../http2/hpack.ts';
import { type CodeName, codeNameOf, GrpcError } from './status.ts';

const OF_HTTP_STATUS: Record<string, CodeName> = {
  400: 'INTERNAL',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'UNIMPLEMENTED',
  429: 'UNAVAILABLE',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'UNAVAILABLE',
};

// Every other reset is INTERNAL.
const OF_HTTP2_ERROR: Partial<Record<ErrorCode | 'CONNECTION_LOST', CodeName>> = {
  CANCEL: 'CANCELLED',
  REFUSED_STREAM: 'UNAVAILABLE',
  CONNECTION_LOST: 'UNAVAILABLE',
  ENHANCE_YOUR_CALM: 'RESOURCE_EXHAUSTED',
  INADEQUATE_SECURITY: 'PERMISSION_DENIED',
};

/** The error of a response that is not gRPC's at all. */
export function errorOfHeaders(headers: Headers | undefined, method: string): GrpcError | undefined {
  const status = headers?.get(':status') ?? 'none';
  const type = headers?.get('content-type') ?? 'none';
  if (headers?.has('grpc-status') || (status === '200' && type.startsWith('application/grpc'))) return undefined;
  return new GrpcError(
    OF_HTTP_STATUS[status] ?? 'UNKNOWN',
    `the answer is not gRPC: HTTP status ${status}, content type ${type}`,
    method,
  );
}

/** The error that the trailers tell of; undefined for OK. */
export function errorOfTrailers(trailers: Headers, method: string): GrpcError | undefined {
  const status = trailers.get('grpc-status');
  if (status === '0') return undefined;
  if (status === undefined) return new GrpcError('INTERNAL', 'the answer ends without a status', method);
  return new GrpcError(codeNameOf(Number(status)), percentDecoded(trailers.get('grpc-message') ?? ''), method);
}

/** The error of a stream that ended without trailers: reset, or with its connection. */
export function errorOfStream(error: Http2Error, method: string): GrpcError {
  return new GrpcError(OF_HTTP2_ERROR[error.code] ?? 'INTERNAL', error.message, method, error);
}

/** What is no valid escape stays as it is, and bytes that are not UTF-8 become U+FFFD: a message is better than none. */
export function percentDecoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, escapes => Buffer.from(escapes.replaceAll('%', ''), 'hex').toString());
}
