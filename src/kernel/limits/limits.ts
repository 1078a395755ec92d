/** Limits of one cgroup in plain numbers, by the path of their field below `spec.resources`: what backends get, and status shows. */
import { cpuList, formatCpuList } from './cpu-list.ts';
import { formatBytes, parseQuantity } from './quantity.ts';
import type { Resources } from './schema.ts';

/** Bytes and operations a second; absent: no limit. */
export interface DeviceRates {
  readBps?: number;
  writeBps?: number;
  readIops?: number;
  writeIops?: number;
}

/** What is absent has no limit of its own; plain data, for the journal holds it. */
export interface Limits {
  /** CPUs: 1.5. */
  'cpu.limit'?: number;
  'cpu.weight'?: number;
  /** `0-3,6`. */
  'cpu.cpuset'?: string;
  /** Bytes, as all of memory's. */
  'memory.limit'?: number;
  'memory.high'?: number;
  'memory.reservation'?: number;
  'memory.swap'?: number;
  'io.weight'?: number;
  /** By the path of the device. */
  'io.devices'?: Record<string, DeviceRates>;
  'pids.limit'?: number;
  /** By the size of the pages; both in bytes. */
  hugepages?: Record<string, number>;
}

/** One limit: `memory.limit`, `io.devices./dev/vda`, `hugepages.2Mi`. */
export type LimitField =
  | Exclude<keyof Limits, 'io.devices' | 'hugepages'>
  | `io.devices.${string}`
  | `hugepages.${string}`;

export type LimitValue = number | string | DeviceRates;

/** What a manifest says, which its schema has found well. */
export function limitsOf({ cpu, memory, io, pids, hugepages }: Resources = {}): Limits {
  return defined({
    'cpu.limit': number(cpu?.limit),
    'cpu.weight': cpu?.weight,
    'cpu.cpuset': cpu?.cpuset === undefined ? undefined : formatCpuList(cpuList(String(cpu.cpuset)) ?? []),
    'memory.limit': bytes(memory?.limit),
    'memory.high': bytes(memory?.high),
    'memory.reservation': bytes(memory?.reservation),
    'memory.swap': bytes(memory?.swap),
    'io.weight': io?.weight,
    'io.devices': io?.devices && Object.fromEntries(io.devices.map(({ path, ...rates }) => [path, ratesOf(rates)])),
    'pids.limit': number(pids?.limit),
    hugepages:
      hugepages &&
      Object.fromEntries(
        Object.entries(hugepages).map(([size, limit]) => [formatBytes(bytes(size) ?? 0), bytes(limit) ?? 0]),
      ),
  });
}

/** Each limit by itself. */
export function eachLimit(limits: Limits): [LimitField, LimitValue][] {
  const { 'io.devices': devices = {}, hugepages = {}, ...plain } = limits;
  return [
    ...(Object.entries(plain) as [LimitField, LimitValue][]),
    ...Object.entries(devices).map(([path, rates]): [LimitField, LimitValue] => [`io.devices.${path}`, rates]),
    ...Object.entries(hugepages).map(([size, limit]): [LimitField, LimitValue] => [`hugepages.${size}`, limit]),
  ];
}

/** What `eachLimit` has taken apart. */
export function limitsFrom(all: readonly (readonly [LimitField, LimitValue])[]): Limits {
  const below = (prefix: string) =>
    all.flatMap(([field, value]) => (field.startsWith(prefix) ? [[field.slice(prefix.length), value]] : []));
  const plain = all.filter(([field]) => !/^(io\.devices|hugepages)\./.test(field));
  const [devices, hugepages] = [below('io.devices.'), below('hugepages.')];
  return {
    ...Object.fromEntries(plain),
    ...(devices.length > 0 && { 'io.devices': Object.fromEntries(devices) }),
    ...(hugepages.length > 0 && { hugepages: Object.fromEntries(hugepages) }),
  };
}

/** As a person writes it: `512Mi`, `1.5`, `readBps=1Mi writeIops=100`. */
export function formatLimit(field: LimitField, value: LimitValue): string {
  if (typeof value === 'object')
    return Object.entries(value)
      .map(([rate, one]) => `${rate}=${rateOf(rate, one)}`)
      .join(' ');
  return typeof value === 'number' && isBytes(field) ? formatBytes(value) : String(value);
}

const rateOf = (rate: string, value: number) => (rate.endsWith('Bps') ? formatBytes(value) : String(value));
const isBytes = (field: LimitField) => field.startsWith('memory.') || field.startsWith('hugepages.');

function ratesOf(rates: Record<string, string | number | undefined>): DeviceRates {
  return defined(Object.fromEntries(Object.entries(rates).map(([name, rate]) => [name, bytes(rate)])));
}

function number(given: string | number | undefined): number | undefined {
  if (given === undefined) return undefined;
  const parsed = parseQuantity(given);
  return 'value' in parsed ? parsed.value : undefined;
}

/** A part of one is rounded up, as Kubernetes does. */
function bytes(given: string | number | undefined): number | undefined {
  const value = number(given);
  return value === undefined ? undefined : Math.ceil(value);
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}
