/**
 * Which file each limit is written to, and how (cgroup-v2.rst, "Controllers"). A file's content is compared as `text`: the kernel's own
 * form of what concerns the limit, which is what it shows after a write; `Knob.text` rounds as it does.
 */
import {
  type DeviceLimit,
  type DeviceRates,
  deviceField,
  deviceLimit,
  type LimitField,
  type LimitValue,
} from 'kuke/plugin';
import { nestedKeyed } from '../../../src/host/cgroupfs/keyed.ts';
import { PAGE, possibleCpus } from './capacity.ts';

export interface Knob {
  field: LimitField;
  controller: string;
  /** `memory.max` */
  file: string;
  /** What a new group has. */
  unset: string;
  /** The same in effect, for where the kernel refuses that. */
  unsetInstead?(): string;
  read(content: string): string;
  /** Undefined: no limit. */
  value(text: string): LimitValue | undefined;
  text(value: LimitValue): string;
}

/** Whether that is no limit. */
export const isUnset = ({ unset, unsetInstead }: Knob, text: string): boolean =>
  text === unset || text === unsetInstead?.();

/** Whether a file says what is asked for, however it is written: `25000 50000` is half a CPU too. */
export const isSame = ({ value, text }: Knob, content: string, asked: LimitValue): boolean =>
  content === text(asked) || Bun.deepEquals(value(content), asked);

const PERIOD = 100_000; // microseconds, the kernel's own default
const BFQ_MOST = 1000;

/** A number, or `max`. */
function amount(field: LimitField, controller: string, file: string, unset = 'max'): Knob {
  return {
    field,
    controller,
    file,
    unset,
    // hugetlb shows its largest number where others show `max`.
    read: content => (Number(content) >= 2 ** 62 ? 'max' : content),
    value: text => (text === 'max' ? undefined : Number(text)),
    text: value => `${value}`,
  };
}

/** Bytes of whole pages, or `max`. */
function paged(pageSize: number, ...rest: Parameters<typeof amount>): Knob {
  return { ...amount(...rest), text: value => `${Number(value) - (Number(value) % pageSize)}` };
}

const weight: Knob = {
  ...amount('io.weight', 'io', 'io.weight', '100'),
  read: content => /^default (\d+)/m.exec(content)?.[1] ?? content,
};

/** What a person asks for from 1 to 10000, BFQ has from 1 to 1000; 100 is the middle of both, as systemd has it. */
const bfqWeight: Knob = {
  ...weight,
  file: 'io.bfq.weight',
  value: text => spread(Number(text), BFQ_MOST, 10_000),
  text: value => `${spread(Number(value), 10_000, BFQ_MOST)}`,
};

const spread = (of: number, from: number, to: number) =>
  of <= 100 ? of : Math.round(100 + ((of - 100) * (to - 100)) / (from - 100));

/** Of memory, what protects comes before what presses: they are written in this order. */
const PLAIN: readonly Knob[] = [
  {
    field: 'cpu.limit',
    controller: 'cpu',
    file: 'cpu.max',
    unset: `max ${PERIOD}`,
    read: content => (content.startsWith('max') ? `max ${PERIOD}` : content),
    value(text) {
      const [quota = '', period = PERIOD] = text.split(' ');
      return quota === 'max' ? undefined : Number(quota) / Number(period);
    },
    text: value => `${Math.round(Number(value) * PERIOD)} ${PERIOD}`,
  },
  amount('cpu.weight', 'cpu', 'cpu.weight', '100'),
  {
    ...amount('cpu.cpuset', 'cpuset', 'cpuset.cpus', ''),
    read: content => content,
    // In a group in which something runs the list may not become empty (ENOSPC). One that is off may come back.
    unsetInstead: possibleCpus,
    value: text => (text === '' ? undefined : text),
  },
  {
    ...paged(PAGE, 'memory.reservation', 'memory', 'memory.low', '0'),
    // By hand it may be `max`: all that there is.
    value: text => (text === '0' ? undefined : text === 'max' ? text : Number(text)),
  },
  paged(PAGE, 'memory.swap', 'memory', 'memory.swap.max'),
  paged(PAGE, 'memory.limit', 'memory', 'memory.max'),
  paged(PAGE, 'memory.high', 'memory', 'memory.high'),
  weight,
  amount('pids.limit', 'pids', 'pids.max'),
];

/** Of `io.weight` the one that this host goes by. */
export function plainKnobs(isBfq: boolean): readonly Knob[] {
  return isBfq ? PLAIN.map(knob => (knob === weight ? bfqWeight : knob)) : PLAIN;
}

/** `2 * 2 ** 20` is `2MB` in the names of files (hugetlb_cgroup.c, mem_fmt). */
export function hugepagesKnob(field: LimitField, pageSize: number): Knob {
  const [unit, name] = pageSize >= 2 ** 30 ? [2 ** 30, 'GB'] : pageSize >= 2 ** 20 ? [2 ** 20, 'MB'] : [2 ** 10, 'KB'];
  return paged(pageSize, field, 'hugetlb', `hugetlb.${pageSize / unit}${name}.max`);
}

const RATES = { readBps: 'rbps', writeBps: 'wbps', readIops: 'riops', writeIops: 'wiops' } as const;

/** One key of a device's line of `io.max`, `254:0 rbps=1048576`; a write of it leaves the others. `number` is the device's `254:0`. */
export function deviceKnob({ path, rate }: DeviceLimit, number: string): Knob {
  const key = RATES[rate];
  const line = (value: string | number) => `${number} ${key}=${value}`;
  return {
    field: deviceField({ path, rate }),
    controller: 'io',
    file: 'io.max',
    unset: line('max'),
    read: content => line(nestedKeyed(content).get(number)?.get(key) ?? 'max'),
    value(text) {
      const value = text.slice(text.indexOf('=') + 1);
      return value === 'max' ? undefined : Number(value);
    },
    text: line,
  };
}

export const RATE_NAMES = Object.keys(RATES) as (keyof DeviceRates)[];

/** Of what was written down by its names: `text` is of `Knob.text`. */
export function knobOf(field: LimitField, file: string, text: string): Knob {
  const device = deviceLimit(field);
  if (device !== undefined) return deviceKnob(device, deviceOf(text));
  return [...plainKnobs(false), bfqWeight].find(knob => knob.file === file) ?? amount(field, 'hugetlb', file);
}

/** The device that a text of `deviceKnob` is about. */
export const deviceOf = (text: string): string => text.split(' ')[0] ?? '';

/** `memory` of `memory.limit`; the one that brings the file. */
export function controllerOf(field: string): string {
  if (field.startsWith('hugepages.')) return 'hugetlb';
  return PLAIN.find(knob => knob.field === field)?.controller ?? field.split('.', 1)[0] ?? '';
}
