/** What of the limits that are asked for makes no sense on this host, whether it can enforce them or not. */
import { cpuList, formatBytes, formatCpuList, type LimitField, type LimitValue } from 'kuke/plugin';
import { type BlockDevice, blockDevice } from '../../../src/host/block-device.ts';
import { hasCode } from '../../../src/host/errno.ts';
import { type Capacity, PAGE } from './capacity.ts';

const PID_MAX_LIMIT = 2 ** 22; // include/linux/threads.h

type Check = (value: LimitValue, host: Capacity) => string | undefined;

const notMoreMemory: Check = (value, host) =>
  Number(value) > host.memory() ? `this host has ${rounded(host.memory())} of memory` : undefined;

const checks: Partial<Record<LimitField, Check>> = {
  'cpu.limit': (value, host) => {
    const cpus = host.cpus().length;
    return Number(value) > cpus ? `this host has ${cpus} CPU${cpus === 1 ? '' : 's'}` : undefined;
  },
  // What a group above has is the kernel's to compare.
  'cpu.cpuset': (value, host) => {
    const online = host.cpus();
    const outside = formatCpuList((cpuList(String(value)) ?? []).filter(cpu => !online.includes(cpu)));
    return outside === '' ? undefined : `this host has the CPUs ${formatCpuList(online)}, not ${outside}`;
  },
  'memory.limit': (value, host) =>
    Number(value) < PAGE ? `the kernel counts in pages of ${formatBytes(PAGE)}` : notMoreMemory(value, host),
  'memory.high': notMoreMemory,
  'memory.reservation': notMoreMemory,
  'pids.limit': value => (Number(value) > PID_MAX_LIMIT ? `the kernel has ${PID_MAX_LIMIT} process ids` : undefined),
};

/** `this host has 2 CPUs`. Of a device: `deviceFault`, of huge pages: `hugepagesFault`. */
export function plainFault(field: LimitField, value: LimitValue, host: Capacity): string | undefined {
  return checks[field]?.(value, host);
}

export function hugepagesFault(pageSize: number, limit: number, host: Capacity): string | undefined {
  const sizes = host.pageSizes();
  if (sizes.includes(pageSize)) {
    const next = Math.ceil(limit / pageSize) * pageSize;
    if (next !== limit) return `one page is ${formatBytes(pageSize)}: the next that it can be is ${formatBytes(next)}`;
    return notMoreMemory(limit, host);
  }
  return sizes.length === 0
    ? 'this host has no huge pages'
    : `this host has huge pages of ${sizes.map(formatBytes).join(' and ')}`;
}

/** `others`: paths by number, of devices that were named before. */
export function deviceFault(path: string, others: ReadonlyMap<string, string>): BlockDevice | { fault: string } {
  try {
    const device = blockDevice(path);
    const same = others.get(device.number);
    if (device.disk !== undefined)
      return { fault: `${path} is a partition, and the kernel limits whole disks: ${device.disk}` };
    return same === undefined ? device : { fault: `${path} is the same device as ${same}` };
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG')) return { fault: `there is no device ${path}` };
    if (hasCode(error, 'ENOTBLK')) return { fault: `${path} is not a block device` };
    throw error;
  }
}

const rounded = (bytes: number) => `${Math.floor((bytes / 2 ** 30) * 10) / 10}Gi`;
