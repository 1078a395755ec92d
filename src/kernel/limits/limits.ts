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

/** One limit: `memory.limit`, `io.devices./dev/vda.readBps`, `hugepages.2Mi`. */
export type LimitField =
  | Exclude<keyof Limits, 'io.devices' | 'hugepages'>
  | `io.devices.${string}`
  | `hugepages.${string}`;

export type LimitValue = number | string;

/** What is limited of a device, and by what name. */
export interface DeviceLimit {
  path: string;
  rate: keyof DeviceRates;
}

/** The parts of `io.devices./dev/vda.readBps`; undefined for any other field. */
export function deviceLimit(field: string): DeviceLimit | undefined {
  const [, path, rate] = /^io\.devices\.(.+)\.((?:read|write)(?:Bps|Iops))$/s.exec(field) ?? [];
  return path === undefined ? undefined : { path, rate: rate as keyof DeviceRates };
}

export const deviceField = ({ path, rate }: DeviceLimit): LimitField => `io.devices.${path}.${rate}`;

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
    ...Object.entries(devices).flatMap(([path, rates]) =>
      (Object.entries(rates) as [keyof DeviceRates, number][]).map(([rate, value]): [LimitField, LimitValue] => [
        deviceField({ path, rate }),
        value,
      ]),
    ),
    ...Object.entries(hugepages).map(([size, limit]): [LimitField, LimitValue] => [`hugepages.${size}`, limit]),
  ];
}

/** What `eachLimit` has taken apart. */
export function limitsFrom(all: readonly (readonly [LimitField, LimitValue])[]): Limits {
  const plain = all.filter(([field]) => !/^(io\.devices|hugepages)\./.test(field));
  const pages = 'hugepages.';
  const hugepages = all.flatMap(([field, value]) =>
    field.startsWith(pages) ? [[field.slice(pages.length), value]] : [],
  );
  const devices: Record<string, DeviceRates> = {};
  for (const [field, value] of all) {
    const device = deviceLimit(field);
    if (device !== undefined) devices[device.path] = { ...devices[device.path], [device.rate]: Number(value) };
  }
  return {
    ...Object.fromEntries(plain),
    ...(Object.keys(devices).length > 0 && { 'io.devices': devices }),
    ...(hugepages.length > 0 && { hugepages: Object.fromEntries(hugepages) }),
  };
}

/** As a person writes it: `512Mi`, `1.5`. */
export function formatLimit(field: LimitField, value: LimitValue): string {
  return typeof value === 'number' && isBytes(field) ? formatBytes(value) : String(value);
}

const isBytes = (field: LimitField) =>
  /^(?:memory|hugepages)\./.test(field) || deviceLimit(field)?.rate.endsWith('Bps') === true;

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
