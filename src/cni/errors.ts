/** What can go wrong between a CNI runtime and its plugins: the specification's error codes, and one error class for the runtime. */
import * as v from 'valibot';
import { ErrorCode } from './error-code.ts';
import type { Command } from './version.ts';

export { ErrorCode };

const CODE_NAMES: Readonly<Record<number, string>> = {
  0: 'unknown error',
  [ErrorCode.IncompatibleVersion]: 'incompatible CNI version',
  [ErrorCode.UnsupportedField]: 'unsupported field in network configuration',
  [ErrorCode.UnknownContainer]: 'container unknown or does not exist',
  [ErrorCode.InvalidEnvironment]: 'invalid environment variables',
  [ErrorCode.IoFailure]: 'I/O failure',
  [ErrorCode.DecodingFailure]: 'failed to decode content',
  [ErrorCode.InvalidConfig]: 'invalid network configuration',
  [ErrorCode.InvalidNetns]: 'invalid network namespace',
  [ErrorCode.TryAgainLater]: 'try again later',
  [ErrorCode.NotAvailable]: 'plugin not available',
  [ErrorCode.LimitedConnectivity]: 'plugin not available, containers may have limited connectivity',
  [ErrorCode.Internal]: 'internal error',
};

/** The meaning of an error code: the well-known ones by the specification's words, 100 and up belong to the plugin. */
export function codeName(code: number): string {
  return CODE_NAMES[code] ?? (code >= 100 ? "the plugin's own" : 'not a well-known code');
}

/** The error object that a plugin writes to its standard output (section 5, "Error"). */
export const PluginErrorSchema = v.object({
  code: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
  msg: v.string(),
  details: v.optional(v.nullable(v.string())),
});

/**
 * Why the runtime gave up. `plugin-error`: the plugin said so itself, with code and message · `not-found`, `not-executable`: it
 * never ran · `bad-output`, `exit-status`, `killed`, `timed-out`, `aborted`: it ran and said nothing usable · `bad-request`: what the
 * caller asked for breaks the protocol, nothing ran · `unsupported`: the network's version lacks the command · `attached`: ADD of what
 * is attached already · `not-attached`: there is no result of an ADD · `cache`: the file of the result can't be read or written.
 */
export type CniReason =
  | 'plugin-error'
  | 'not-found'
  | 'not-executable'
  | 'bad-output'
  | 'exit-status'
  | 'killed'
  | 'timed-out'
  | 'aborted'
  | 'bad-request'
  | 'unsupported'
  | 'attached'
  | 'not-attached'
  | 'cache';

export interface CniFailure {
  reason: CniReason;
  command: Command;
  /** What went wrong: the plugin's own words where it has any. */
  msg: string;
  details?: string | undefined;
  code?: number | undefined;
  network?: string | undefined;
  /** The plugin's type, as in the configuration. */
  plugin?: string | undefined;
  /** The end of what the plugin wrote to its standard error. */
  stderr?: string | undefined;
  /** The folders in which the plugin was looked for. */
  searched?: readonly string[] | undefined;
  /** What to do next. */
  remedy?: string | undefined;
  cause?: unknown;
}

const MESSAGE_LIMIT = 2048;

/** A CNI operation that failed. `also` holds what failed besides: the undoing of an ADD, the other plugins of a DEL or GC. */
export class CniError extends Error {
  override readonly name = 'CniError';
  readonly failure: Readonly<CniFailure>;
  readonly also: readonly CniError[];

  constructor(failure: CniFailure, also: readonly CniError[] = []) {
    super([describe(failure), ...also.map(one => one.message)].join('; also failed: '), { cause: failure.cause });
    this.failure = failure;
    this.also = also;
  }

  get reason(): CniReason {
    return this.failure.reason;
  }

  /** The plugin's error code; undefined where the failure is not the plugin's own. */
  get code(): number | undefined {
    return this.failure.code;
  }

  get codeName(): string | undefined {
    return this.code === undefined ? undefined : codeName(this.code);
  }

  get remedy(): string | undefined {
    return this.failure.remedy;
  }

  /** Whether the kernel refused a name as too long (ERANGE): a bridge or interface name of more than 15 characters. */
  get nameTooLong(): boolean {
    const { msg, details = '', stderr = '' } = this.failure;
    return /numerical result out of range/i.test(`${msg} ${details} ${stderr}`);
  }
}

/** Throws the failures of a teardown as one: the first, which carries the others. Does nothing where there is none. */
export function throwAll(errors: readonly CniError[]): void {
  const [first, ...others] = errors;
  if (first !== undefined) throw others.length === 0 ? first : new CniError(first.failure, others);
}

function describe({ command, network, plugin, msg, details, code, stderr }: CniFailure): string {
  const where = [`CNI ${command}`, network && `network ${network}`, plugin && `plugin ${plugin}`]
    .filter(Boolean)
    .join(', ');
  const parts = [
    `${where}: ${oneLine(msg)}`,
    details && `; ${oneLine(details)}`,
    code !== undefined && ` (code ${code}: ${codeName(code)})`,
    stderr && `; its standard error ends with: ${oneLine(stderr)}`,
  ];
  return parts.filter(Boolean).join('');
}

/** Foreign text for one line on a terminal: no control characters, bounded; of a long one the end, where the cause is. */
export function oneLine(text: string): string {
  const clean = text.trim().replace(/\s+/g, ' ').replace(/\p{C}/gu, '\u{fffd}');
  return clean.length <= MESSAGE_LIMIT ? clean : `… ${clean.slice(-MESSAGE_LIMIT)}`;
}
