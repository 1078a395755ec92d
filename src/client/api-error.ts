/** What the daemon refused or could not do, in its words. */
import type { ErrorCode } from '../kernel/errors.ts';
import type { ErrorBody, Outcome } from './types.ts';

export class ApiError extends Error {
  /** Of HTTP; undefined: it came after the answer had begun. */
  readonly status: number | undefined;
  readonly code: ErrorCode;
  readonly body: ErrorBody;
  /** What became of each resource, where something was tried. */
  readonly outcomes: Outcome[];

  constructor(body: ErrorBody, status?: number, outcomes: Outcome[] = []) {
    super([body.resource, body.step, body.message].filter(part => part !== undefined).join(': '));
    this.name = 'ApiError';
    this.code = body.code;
    this.status = status;
    this.body = body;
    this.outcomes = outcomes;
  }
}
