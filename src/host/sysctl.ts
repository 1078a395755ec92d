/** Kernel parameters: /proc/sys, as sysctl(8) names them. Those under net/ are of the calling thread's network namespace. */
import { readKernelFile, writeKernelFile } from './kernel-file.ts';

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
