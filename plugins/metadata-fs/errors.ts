/** Failures of the store's files, as the user is told of them. */
import { asFileError, asKukeError, KukeError } from 'kuke/plugin';
import { asSystemError } from '../../src/host/libc.ts';

/** Any failure of a file operation; `path` is for errors that do not say theirs. */
export function asStoreError(thrown: unknown, path: string): KukeError {
  if (thrown instanceof KukeError) return thrown;
  const isPlaced = thrown instanceof Error && 'path' in thrown && typeof thrown.path === 'string';
  return asFileError(asSystemError(thrown, isPlaced ? String(thrown.path) : path));
}

/** Throws what the signal was aborted with: a KukeError (a time limit) as it is, anything else as Cancelled. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw asKukeError(signal.reason, 'Cancelled');
}
