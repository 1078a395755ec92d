/** What the host has to share out. Each part is read when it is first asked for. */
import { readdirSync } from 'node:fs';
import { cpuList } from 'kuke/plugin';
import { ioSchedulers } from '../../../src/host/block-device.ts';
import { type Cgroup, readIfThere } from '../../../src/host/cgroupfs/cgroup.ts';
import { nestedKeyed } from '../../../src/host/cgroupfs/keyed.ts';
import { hasCode } from '../../../src/host/errno.ts';
import { readKernelFile } from '../../../src/host/kernel-file.ts';

/** The least that the kernel counts memory in. */
export const PAGE = 4096;

export interface Capacity {
  /** The numbers of those that are on. */
  cpus(): number[];
  /** Bytes. */
  memory(): number;
  swap(): number;
  /** Of huge pages, in bytes. */
  pageSizes(): number[];
  /** What shares disks out by weight: by `io.weight`, by `io.bfq.weight`. */
  weighs(): { iocost: boolean; bfq: boolean };
}

export function capacity(root: Cgroup): Capacity {
  const memory = once(() => readKernelFile('/proc/meminfo'));
  const kilobytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(memory())?.[1] ?? 0);
  return {
    cpus: once(() => cpuList(onlineCpus()) ?? []),
    memory: () => kilobytes('MemTotal') * 1024,
    swap: () => kilobytes('SwapTotal') * 1024,
    pageSizes: once(hugepageSizes),
    weighs: once(() => {
      const models = nestedKeyed(readIfThere(root, 'io.cost.qos') ?? '');
      return {
        iocost: [...models.values()].some(model => model.get('enable') === '1'),
        bfq: ioSchedulers().has('bfq'),
      };
    }),
  };
}

/** `0-3`; and those that are off, or may be plugged in (kernel's cputopology.rst). */
const onlineCpus = (): string => readKernelFile('/sys/devices/system/cpu/online').trim();
export const possibleCpus = (): string => readKernelFile('/sys/devices/system/cpu/possible').trim();

function hugepageSizes(): number[] {
  try {
    const sizes = readdirSync('/sys/kernel/mm/hugepages').map(name => Number(/^hugepages-(\d+)kB$/.exec(name)?.[1]));
    return sizes
      .filter(size => size > 0)
      .map(size => size * 1024)
      .sort((a, b) => a - b);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function once<T>(look: () => T): () => T {
  let seen: { value: T } | undefined;
  return () => {
    seen ??= { value: look() };
    return seen.value;
  };
}
