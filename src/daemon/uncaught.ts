/** What nobody has caught is told with its cause, and ends kukeond: what it held by then is not to be relied on. */
import type { Log } from './structured-log.ts';

const FAILED = 1;

/** Of `process`. */
export interface Faults {
  on(name: 'uncaughtException' | 'unhandledRejection', listener: (thrown: unknown) => void): unknown;
  off(name: 'uncaughtException' | 'unhandledRejection', listener: (thrown: unknown) => void): unknown;
}

/** Ends at once, as SIGKILL would: the next one, which the unit starts, finishes or undoes what was under way. `using` lets go. */
export function endOnUncaught(
  log: Pick<Log, 'error'>,
  faults: Faults = process,
  end: (status: number) => void = status => process.exit(status),
): Disposable {
  const thrown = (error: unknown): void => tell('an error that nobody has caught ends kukeond', error);
  const rejected = (error: unknown): void => tell('a failure that nobody has waited for ends kukeond', error);
  const tell = (message: string, error: unknown): void => {
    log.error(message, { error: inFull(error) });
    end(FAILED);
  };
  faults.on('uncaughtException', thrown);
  faults.on('unhandledRejection', rejected);
  return {
    [Symbol.dispose]() {
      faults.off('uncaughtException', thrown);
      faults.off('unhandledRejection', rejected);
    },
  };
}

const DEEPEST = 10;

/** With where it was thrown, and what it came of. */
function inFull(error: unknown, depth = 0): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { message, stack, cause } = error;
  return { message, stack, ...(cause !== undefined && depth < DEEPEST && { cause: inFull(cause, depth + 1) }) };
}
