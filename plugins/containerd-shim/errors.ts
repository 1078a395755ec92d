/** containerd's failures as kuke's, in containerd's own words. */
import { asKukeError, type ErrorCode, type ErrorDetails, KukeError } from 'kuke/plugin';
import { ConnectError, type GrpcError, isGrpcError } from './client/index.ts';

// Every other status is RuntimeFailed.
const CODES: Partial<Record<GrpcError['codeName'], ErrorCode>> = {
  CANCELLED: 'Cancelled',
  DEADLINE_EXCEEDED: 'TimedOut',
  NOT_FOUND: 'NotFound',
  ALREADY_EXISTS: 'Conflict',
  FAILED_PRECONDITION: 'Conflict',
  UNAVAILABLE: 'RuntimeUnavailable',
};

/** Any thrown value as a KukeError; one that is a KukeError already keeps what it says, and learns `step` if it has none. */
export function asContainerdError(thrown: unknown, details: Pick<ErrorDetails, 'resource' | 'step'> = {}): KukeError {
  if (thrown instanceof ConnectError) {
    return new KukeError('RuntimeUnavailable', `containerd: ${thrown.message}`, {
      ...details,
      ...(thrown.code === 'EACCES' && { remedy: 'run it with sudo' }),
      cause: thrown,
    });
  }
  if (isGrpcError(thrown)) {
    const code = CODES[thrown.codeName] ?? 'RuntimeFailed';
    return new KukeError(code, `containerd: ${thrown.message}`, { ...details, cause: thrown });
  }
  return asKukeError(thrown, 'RuntimeFailed', details);
}

/** The answer of a call, or undefined where there is no such thing. */
export async function ifFound<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isGrpcError(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}
