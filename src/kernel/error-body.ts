/** A KukeError as plain data, for who calls kukeond's API. */
import { asKukeError, type ErrorCode } from './errors.ts';

export interface ErrorBody {
  code: ErrorCode;
  message: string;
  /** `cell main/default/blog/web` */
  resource?: string;
  /** What was being done: `network.attach`. */
  step?: string;
  /** `spec.containers[1].image` */
  field?: string;
  /** What to do next. */
  remedy?: string;
  /** The exit code that the command line has for it (spec.md §7). */
  exitCode: number;
  /** What else failed on the way. */
  also: ErrorBody[];
}

/** The cause stays here: it is told in the message. */
export function errorBody(thrown: unknown): ErrorBody {
  const error = asKukeError(thrown, 'Internal');
  const { code, message, details, exitCode, also } = error;
  const remedy = error.remedyIn((_, request) => request);
  const { resource, step, field } = details;
  return {
    code,
    message,
    ...(resource !== undefined && { resource }),
    ...(step !== undefined && { step }),
    ...(field !== undefined && { field }),
    ...(remedy !== undefined && { remedy }),
    exitCode,
    also: also.map(errorBody),
  };
}
