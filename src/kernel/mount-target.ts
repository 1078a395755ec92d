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

/** Of several in one container, those that come to lie where an earlier one does; `at`: the field that says each. */
export function mountClashes(mounts: readonly { path: string; at: string }[]): { path: string; message: string }[] {
  const first = new Map<string, string>();
  return mounts.flatMap(({ path, at }) => {
    const target = mountTarget(path);
    const earlier = first.get(target);
    if (earlier !== undefined) return [{ path: at, message: `${target} is the place of ${earlier} already` }];
    first.set(target, at);
    return [];
  });
}

/** The same path for all spellings of it: `/a//b/./` is `/a/b`. */
export function mountTarget(path: string): string {
  return posix.resolve('/', path);
}
