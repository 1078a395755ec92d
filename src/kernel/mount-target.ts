/** Where in a container something may be mounted: one rule for the manifest and for the runtime. */
import { posix } from 'node:path';

/** What is wrong with a target; undefined: nothing. The runtime resolves links in it inside the root file system. */
export function mountTargetFault(path: string): string | undefined {
  if (!path.startsWith('/') || path.includes('\0')) return 'must be an absolute path';
  if (path.split('/').includes('..')) return 'must not lead upwards (`..`)';
  const clean = mountTarget(path);
  const isKernels = clean === '/' || clean === '/dev' || clean === '/proc' || clean.startsWith('/proc/');
  return isKernels ? `nothing can be mounted at ${clean}` : undefined;
}

/** The same path for all spellings of it: `/a//b/./` is `/a/b`. */
export function mountTarget(path: string): string {
  return posix.resolve('/', path);
}
