/** gRPC's status codes, and the error that every failed call throws (grpc.io, "Status codes and their use in gRPC"). */

// Index = number.
const CODES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

export type CodeName = (typeof CODES)[number];

/** A call that failed: `message` is the server's own words, or ours where no answer came. */
export class GrpcError extends Error {
  override readonly name = 'GrpcError';
  /** The status as a number: 5. */
  readonly code: number;
  /** The same by name: `NOT_FOUND`. */
  readonly codeName: CodeName;
  /** `/containerd.services.images.v1.Images/Get` */
  readonly method: string;

  constructor(codeName: CodeName, message: string, method: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = CODES.indexOf(codeName);
    this.codeName = codeName;
    this.method = method;
  }
}

/** `isGrpcError(error, 'NOT_FOUND')`; without codes, whether it is one at all. */
export function isGrpcError(error: unknown, ...codes: CodeName[]): error is GrpcError {
  return error instanceof GrpcError && (codes.length === 0 || codes.includes(error.codeName));
}

/** A number that gRPC doesn't define counts as UNKNOWN. */
export function codeNameOf(code: number): CodeName {
  return CODES[code] ?? 'UNKNOWN';
}
