/** What can go wrong with files of state, and what a person does about it. */
import { asKukeError, type ErrorCode, KukeError } from './errors.ts';

/** By errno(3). What is not named here is `Failed`, in the kernel's words. */
const known: { codes: string[]; code: ErrorCode; remedy: string }[] = [
  {
    codes: ['ENOSPC', 'EDQUOT'],
    code: 'Failed',
    remedy: 'free some space, then try again; what stood there before is as it was',
  },
  {
    codes: ['EROFS'],
    code: 'HostNotReady',
    remedy: 'mount the file system writable, or give another --run-path',
  },
  {
    codes: ['EEXIST', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENOTEMPTY'],
    code: 'Conflict',
    remedy: 'something else stands in the way: move it away, then try again',
  },
];

/** Any failure of a file operation, as the user is told of it. */
export function asFileError(error: unknown): KukeError {
  if (error instanceof KukeError) return error;
  const errno = error instanceof Error && 'code' in error ? String(error.code) : '';
  const found = known.find(({ codes }) => codes.includes(errno));
  if (found !== undefined) return asKukeError(error, found.code, { remedy: found.remedy });
  const isDenied = (errno === 'EACCES' || errno === 'EPERM') && process.geteuid?.() !== 0;
  return asKukeError(error, isDenied ? 'NotRoot' : 'Failed');
}
