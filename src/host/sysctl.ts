/** Kernel parameters: /proc/sys, as sysctl(8) names them. Those under net/ are of the calling thread's network namespace. */
import { closeSync, constants, openSync } from 'node:fs';
import { readKernelFile, writeKernelFile } from './kernel-file.ts';
import { asSystemError } from './libc.ts';

/** The file of a parameter: `net.ipv4.ip_forward`, or with slashes where a part has a dot in it, `net/ipv4/conf/eth0.5/forwarding`. */
export function sysctlPath(name: string): string {
  const separator = /[./]/.exec(name)?.[0] ?? '.';
  const parts = name.split(separator);
  if (parts.some(part => part === '' || part === '.' || part === '..' || part.includes('/') || part.includes('\0'))) {
    throw new RangeError(`not the name of a kernel parameter: ${JSON.stringify(name)}`);
  }
  return `/proc/sys/${parts.join('/')}`;
}

/** The value of a parameter; SystemError ENOENT if this kernel does not have it. */
export function readSysctl(name: string): string {
  return readKernelFile(sysctlPath(name));
}

/** Sets a parameter; synchronous, so that it may be called inside `within()` of netns.ts. SystemError as the kernel says it. */
export function writeSysctl(name: string, value: string | number): void {
  writeKernelFile(sysctlPath(name), value);
}

/** The parameters of a folder, `net/ipv6/conf/eth0`. */
export interface SysctlFolder extends Disposable {
  read(name: string): string;
  write(name: string, value: string | number): void;
}

/**
 * Opens a folder, so that it is looked up once: that of an interface takes the kernel the longer the more network namespaces there are with
 * one of that name. SystemError ENOENT if there is none.
 */
export function openSysctls(folder: string): SysctlFolder {
  const path = sysctlPath(folder);
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw asSystemError(error, path);
  }
  const fileOf = (name: string) => `/proc/self/fd/${fd}/${name}`;
  return {
    read: name => readKernelFile(fileOf(name)),
    write: (name, value) => writeKernelFile(fileOf(name), value),
    [Symbol.dispose]: () => closeSync(fd),
  };
}
