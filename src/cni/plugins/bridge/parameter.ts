/** Kernel parameters of interfaces, set as a person would. */
import { hasCode } from '../../../host/errno.ts';
import { openSysctls, writeSysctl } from '../../../host/sysctl.ts';
import { shellWord } from '../shell-word.ts';
import type { Trace } from '../trace.ts';

type Value = number | string;

/** `name` with slashes: `net/ipv6/conf/eth0.5/accept_ra`. */
export function set(
  trace: Trace,
  name: string,
  value: Value,
  write: () => void = () => writeSysctl(name, value),
): void {
  trace(`sysctl -w ${shellWord(`${name}=${value}`)}`, write);
}

/** Whether it could be set: it may be missing in this kernel, or /proc/sys read-only here. For what is better, but not needed. */
export function prefer(trace: Trace, name: string, value: Value, write?: () => void): boolean {
  try {
    set(trace, name, value, write);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EROFS', 'EACCES')) return false;
    throw error;
  }
}

export interface InterfaceParameters extends Disposable {
  read(name: string): string;
  set(name: string, value: Value): void;
  prefer(name: string, value: Value): boolean;
}

/** IPv6's of one interface, of the network namespace that the thread is in. */
export function ipv6ParametersOf(name: string, trace: Trace): InterfaceParameters {
  const folder = `net/ipv6/conf/${name}`;
  const open = openSysctls(folder);
  return {
    read: open.read,
    set: (key, value) => set(trace, `${folder}/${key}`, value, () => open.write(key, value)),
    prefer: (key, value) => prefer(trace, `${folder}/${key}`, value, () => open.write(key, value)),
    [Symbol.dispose]: () => open[Symbol.dispose](),
  };
}
