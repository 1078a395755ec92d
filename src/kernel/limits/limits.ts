/** Limits of one cgroup in plain numbers, by the path of their field below `spec.resources`: what backends get, and status shows. */
import { cpuList, formatCpuList } from './cpu-list.ts';
import { formatBytes, parseQuantity } from './quantity.ts';
import type { Resources } from './schema.ts';

type Device = NonNullable<NonNullable<Resources['io']>['devices']>[number];

/** Bytes and operations a second; absent: no limit. */
export type DeviceRates = { [Rate in Exclude<keyof Device, 'path'>]?: number };

/** Of those that have a number, or a list of CPUs, by themselves: `memory.limit`. */
type Plain = {
  [Section in Exclude<
    keyof Resources,
    'hugepages'
  >]: `${Section}.${Exclude<keyof NonNullable<Resources[Section]>, 'devices'> & string}`;
}[Exclude<keyof Resources, 'hugepages'>];

/** What is absent has no limit of its own; plain data, for the journal holds it. CPUs (1.5), bytes, weights, processes; `0-3,6`. */
export type Limits = { [Field in Plain]?: Field extends 'cpu.cpuset' ? string : number } & {
  /** By the path of the device. */
  'io.devices'?: Record<string, DeviceRates>;
  /** By the size of the pages; both in bytes. */
  hugepages?: Record<string, number>;
};

/** One limit: `memory.limit`, `io.devices./dev/vda.readBps`, `hugepages.2Mi`. */
export type LimitField = Plain | `io.devices.${string}` | `hugepages.${string}`;

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
export function limitsOf({ hugepages = {}, ...sections }: Resources = {}): Limits {
  const plain = Object.entries(sections).flatMap(([section, fields]) =>
    Object.entries(fields ?? {}).flatMap(([key, given]): [LimitField, LimitValue][] =>
      Array.isArray(given) ? [] : [[`${section}.${key}` as Plain, plainValue(`${section}.${key}`, given)]],
    ),
  );
  const devices = (sections.io?.devices ?? []).flatMap(({ path, ...rates }) =>
    (Object.entries(rates) as [keyof DeviceRates, string | number][]).map(([rate, given]): [LimitField, LimitValue] => [
      deviceField({ path, rate }),
      bytes(given),
    ]),
  );
  const pages = Object.entries(hugepages).map(([size, given]): [LimitField, LimitValue] => [
    `hugepages.${formatBytes(bytes(size))}`,
    bytes(given),
  ]);
  return limitsFrom([...plain, ...devices, ...pages]);
}

function plainValue(field: string, given: string | number): LimitValue {
  if (field === 'cpu.cpuset') return formatCpuList(cpuList(String(given)) ?? []);
  return field.startsWith('memory.') ? bytes(given) : number(given);
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

function number(given: string | number): number {
  const parsed = parseQuantity(given);
  return 'value' in parsed ? parsed.value : 0;
}

/** A part of one is rounded up, as Kubernetes does. */
const bytes = (given: string | number): number => Math.ceil(number(given));
