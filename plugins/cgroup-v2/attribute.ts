/**
 * What kuke keeps with a cgroup: extended attributes of its directory, `trusted.*`, or `user.*` where the kernel refuses the former, as it
 * does in a user namespace. They go when the group goes.
 */
import { hasCode } from '../../src/host/errno.ts';
import { getXattr, removeXattr, setXattr } from '../../src/host/xattr.ts';

const NAMESPACES = ['trusted', 'user'] as const;
const isRefused = (error: unknown) => hasCode(error, 'EPERM', 'EOPNOTSUPP');

/** Undefined: no such attribute, or no such directory. */
export function getAttribute(directory: string, name: string): string | undefined {
  for (const namespace of NAMESPACES) {
    try {
      const value = getXattr(directory, `${namespace}.${name}`);
      if (value !== undefined) return value;
    } catch (error) {
      if (!isRefused(error) && !hasCode(error, 'ENOENT', 'ENODEV')) throw error;
    }
  }
  return undefined;
}

export function setAttribute(directory: string, name: string, value: string): void {
  const refusals: unknown[] = [];
  for (const namespace of NAMESPACES) {
    try {
      setXattr(directory, `${namespace}.${name}`, value);
      return;
    } catch (error) {
      if (!isRefused(error)) throw error;
      refusals.push(error);
    }
  }
  throw refusals[0];
}

/** Nothing to do where it is not there. */
export function removeAttribute(directory: string, name: string): void {
  for (const namespace of NAMESPACES) {
    try {
      removeXattr(directory, `${namespace}.${name}`);
    } catch (error) {
      if (!isRefused(error) && !hasCode(error, 'ENOENT')) throw error;
    }
  }
}
