/** The catalogue of everything that can go wrong for a user: stable code, exit code (spec.md §7), HTTP status, default remedy. */

/** Picks the words of whoever asked: those of a command line, or those of a request to kukeond. */
export type Words = (command: string, request: string) => string;

/** What to do next; where who types says it otherwise than who calls the API, with the words of both. */
export type Remedy = string | ((words: Words) => string);

interface CatalogueEntry {
  exit: 1 | 2 | 3 | 4 | 5 | 6 | 126 | 127;
  http: number;
  remedy?: Remedy;
}

const entry = (exit: CatalogueEntry['exit'], http: number, remedy?: Remedy): CatalogueEntry =>
  remedy === undefined ? { exit, http } : { exit, http, remedy };

const AGAIN = 'mend what it names, then try again';

export const catalogue = {
  Failed: entry(1, 500, AGAIN),
  Internal: entry(1, 500, 'this is a bug in kuke: please report it'),
  Cancelled: entry(1, 499, 'try again'),
  MetadataCorrupt: entry(1, 500, 'mend or remove the file, then try again'),
  PluginFailed: entry(1, 500, 'see `kuke plugin list`; mend the plugin or take it out of the plugins folder'),
  NetworkFailed: entry(1, 500, AGAIN),
  RegistryFailed: entry(1, 502, AGAIN),
  RuntimeFailed: entry(1, 500, `${AGAIN}; containerd's own log may say more`),
  CgroupFailed: entry(1, 500, AGAIN),
  LimitTooLow: entry(1, 422, 'raise that limit, or lift it'),
  CommandNotFound: entry(1, 422, 'give `command` a program that is in the image'),
  UndoFailed: entry(
    1,
    500,
    words => `remove by hand what ${words('the lines above name', '`also` names')}, or try again`,
  ),
  Usage: entry(2, 400, words => words('see `kuke --help`', 'see /openapi/v1')),
  InvalidManifest: entry(2, 400, 'mend the manifest, then try again'),
  Unsupported: entry(2, 422, 'take the field out of the manifest'),
  InvalidImage: entry(2, 422, 'give a Docker archive (docker save) or an OCI layout as a tar file'),
  NotFound: entry(3, 404, words => words('see `kuke get`', 'list what there is')),
  ImageNotFound: entry(3, 404, words =>
    words(
      'bring it: `kuke image pull NAME`, or `kuke image load -i FILE`',
      'bring it: `POST .../images/pull`, or `.../images/load`',
    ),
  ),
  Conflict: entry(4, 409),
  HasChildren: entry(4, 409, words => `delete them first, or say ${words('--cascade', '`cascade=true`')}`),
  HostNotReady: entry(5, 503),
  RuntimeUnavailable: entry(5, 503, 'start containerd (`systemctl start containerd`), or run `sudo kuke init`'),
  NotInitialised: entry(5, 503, 'run `sudo kuke init` first'),
  NotRoot: entry(5, 403, 'run it with sudo'),
  TimedOut: entry(6, 504),
  Locked: entry(6, 503, words =>
    words('wait for the other kuke to end, or give a longer --lock-timeout', 'try again when the other kuke has ended'),
  ),
  // Of requests to the daemon.
  RequestTimeout: entry(6, 408, 'send the whole request at once'),
  MethodNotAllowed: entry(2, 405, 'see /openapi/v1'),
  Gone: entry(1, 410, 'list again, and watch from the revision that the list has'),
  TooLarge: entry(2, 413, 'send less at once'),
  Busy: entry(6, 429, 'try again in a moment'),
  // As a shell's, where `exec` cannot run what it was given.
  ProgramNotExecutable: entry(126, 422, 'give a program that the container’s user may run'),
  ProgramNotFound: entry(127, 422, 'give a program that is in the container'),
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;

export interface ErrorDetails {
  /** `cell main/default/blog/web` */
  resource?: string;
  /** What was being done: `attach to network main-default`. */
  step?: string;
  /** The type of the operation that failed: `cgroup.limit`. */
  operation?: string;
  /** What to do next; replaces the catalogue's default. */
  remedy?: Remedy;
  /** The path of the field at fault: `spec.containers[1].imgae`. */
  field?: string;
  cause?: unknown;
}

export class KukeError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  /** What else failed on the way, e.g. while undoing. */
  readonly also: KukeError[];

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, also: KukeError[] = []) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'KukeError';
    this.code = code;
    this.details = details;
    this.also = also;
  }

  get exitCode(): number {
    return catalogue[this.code].exit;
  }

  get httpStatus(): number {
    return catalogue[this.code].http;
  }

  /** In the words of a command line. */
  get remedy(): string | undefined {
    return this.remedyIn(command => command);
  }

  remedyIn(words: Words): string | undefined {
    const remedy = this.details.remedy ?? catalogueEntry(this.code).remedy;
    return typeof remedy === 'function' ? remedy(words) : remedy;
  }

  /** The same failure with resource and step filled in where it did not know them. */
  at(details: Pick<ErrorDetails, 'resource' | 'step' | 'operation'>): KukeError {
    const error = new KukeError(this.code, this.message, { ...details, ...this.details }, this.also);
    if (this.stack !== undefined) error.stack = this.stack;
    return error;
  }

  /** The same failure of another resource, which waited for the same. */
  of(resource: string): KukeError {
    return new KukeError(this.code, this.message, { ...this.details, resource }, this.also);
  }

  with(also: KukeError[]): KukeError {
    return new KukeError(this.code, this.message, this.details, [...this.also, ...also]);
  }

  /** One line: what failed, and why. (`line` is taken: JavaScriptCore gives every Error one of its own.) */
  get fault(): string {
    const where = [this.details.resource, this.details.step].filter(part => part !== undefined);
    return oneLine([...where, this.message].join(': '));
  }

  /** One line: what failed, why, and what to do next. */
  get summary(): string {
    return this.remedy === undefined ? this.fault : `${this.fault} (${oneLine(this.remedy)})`;
  }
}

const oneLine = (text: string): string => text.trim().replace(/\s*[\n\r\u2028\u2029]\s*/g, ' ');

function catalogueEntry(code: ErrorCode): CatalogueEntry {
  return catalogue[code];
}

/**
 * Any thrown value as a KukeError; what is none keeps its own words under `code`. No host makes a program call what is no function: such
 * an error, if nobody said whose it is, is told as the bug that it is.
 */
export function asKukeError(thrown: unknown, code: ErrorCode = 'Failed', details: ErrorDetails = {}): KukeError {
  if (thrown instanceof KukeError) return thrown.at(details);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const isBug = (thrown instanceof TypeError || thrown instanceof ReferenceError) && hostsFault.has(code);
  return new KukeError(isBug ? 'Internal' : code, message, { ...details, cause: thrown });
}

/** Codes that blame the host. */
const hostsFault: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'Failed',
  'NetworkFailed',
  'RuntimeFailed',
  'CgroupFailed',
  'UndoFailed',
]);
