/** Whatever a plugin throws as the error that it answers with. */
import { SystemError } from '../../host/errno.ts';
import { asSystemError } from '../../host/libc.ts';
import { FormatError } from '../json.ts';
import { type ErrorName, PluginError } from './plugin-error.ts';

/** System calls on files; whatever else fails in the kernel (netlink, namespaces, sockets) is no matter of input and output. */
const ON_FILES: readonly string[] = (
  'access chmod chown close copyfile fchmod fdatasync flock fstat fsync ftruncate link lstat mkdir mkdtemp open opendir ' +
  'read readdir readlink realpath rename rmdir scandir stat statfs symlink truncate unlink utimes write'
).split(' ');

/** Code 5 for files, 999 for the rest of the kernel, with its own words. */
export function asPluginError(thrown: unknown): PluginError {
  if (thrown instanceof PluginError) return thrown;
  if (thrown instanceof FormatError) return new PluginError('DecodingFailure', thrown.message, '', thrown);
  const error = asSystemError(thrown, pathOf(thrown));
  if (error instanceof SystemError) return new PluginError(codeFor(error), error.message, '', error);
  return new PluginError('Internal', error instanceof Error ? error.message : String(error), '', thrown);
}

function codeFor({ syscall }: SystemError): ErrorName {
  return ON_FILES.includes(syscall) ? 'IoFailure' : 'Internal';
}

/** Errors of node:fs carry it. */
function pathOf(thrown: unknown): string {
  return thrown instanceof Error && 'path' in thrown && typeof thrown.path === 'string' ? thrown.path : '';
}
