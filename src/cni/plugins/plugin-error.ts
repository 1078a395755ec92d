/** The error that a plugin answers with (specification 1.1.0, section 5, "Error"): code, message, details. */
import { ErrorCode } from '../error-code.ts';

export type ErrorName = keyof typeof ErrorCode;

/** `msg` says what failed and what to do; `details` is the kernel's or another program's own words. */
export class PluginError extends Error {
  override readonly name = 'PluginError';
  readonly code: number;
  readonly msg: string;
  readonly details: string;

  /** `code`: a well-known one by its name, or the number that another plugin answered. */
  constructor(code: ErrorName | number, msg: string, details = '', cause?: unknown) {
    super(details === '' ? msg : `${msg}; ${details}`, cause === undefined ? undefined : { cause });
    this.code = typeof code === 'number' ? code : ErrorCode[code];
    this.msg = msg;
    this.details = details;
  }
}
