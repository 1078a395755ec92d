/** Kernel parameters of interfaces, set as a person would. */
import { hasCode } from '../../../host/errno.ts';
import { writeSysctl } from '../../../host/sysctl.ts';
import { shellWord } from '../shell-word.ts';
import type { Trace } from '../trace.ts';

/** `name` with slashes: `net/ipv6/conf/eth0.5/accept_ra`. */
export function set(trace: Trace, name: string, value: number | string): void {
  trace(`sysctl -w ${shellWord(`${name}=${value}`)}`, () => writeSysctl(name, value));
}

/** Whether it could be set: it may be missing in this kernel, or /proc/sys read-only here. For what is better, but not needed. */
export function prefer(trace: Trace, name: string, value: number | string): boolean {
  try {
    set(trace, name, value);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EROFS', 'EACCES')) return false;
    throw error;
  }
}
