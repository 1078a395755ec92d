/** What can go wrong with the store's files, and what a person does about it. */
import { asKukeError, type ErrorCode, KukeError } from 'kuke/plugin';
import { hasCode } from '../../src/host/errno.ts';
import { asSystemError } from '../../src/host/libc.ts';

/** By errno(3). What is not named here is `Failed`, in the kernel's words. */
const known: { codes: string[]; code: ErrorCode; remedy: string }[] = [
  {
    codes: ['ENOSPC', 'EDQUOT'],
    code: 'Failed',
    remedy: 'free some space, then run the command again; what stood there before is as it was',
  },
  {
    codes: ['EROFS'],
    code: 'HostNotReady',
    remedy: 'mount the file system writable, or give another --run-path',
  },
  {
    codes: ['EEXIST', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENOTEMPTY'],
    code: 'Conflict',
    remedy: 'something else stands in the way: move it away, then run the command again',
  },
];

/** Any failure of a file operation, as the user is told of it; `path` is for errors that do not say theirs. */
export function asStoreError(thrown: unknown, path: string): KukeError {
  if (thrown instanceof KukeError) return thrown;
  const isPlaced = thrown instanceof Error && 'path' in thrown && typeof thrown.path === 'string';
  const error = asSystemError(thrown, isPlaced ? String(thrown.path) : path);
  const found = known.find(({ codes }) => hasCode(error, ...codes));
  if (found !== undefined) return asKukeError(error, found.code, { remedy: found.remedy });
  const isDenied = hasCode(error, 'EACCES', 'EPERM') && process.geteuid?.() !== 0;
  return asKukeError(error, isDenied ? 'NotRoot' : 'Failed');
}

/** Throws what the signal was aborted with: a KukeError (a time limit) as it is, anything else as Cancelled. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw asKukeError(signal.reason, 'Cancelled');
}
