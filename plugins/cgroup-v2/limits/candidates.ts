/** The knobs that are looked at in a group: those that are asked for, those that were, and those that somebody may have set. */
import {
  type DeviceRates,
  eachLimit,
  formatBytes,
  type LimitField,
  type Limits,
  type LimitValue,
  parseQuantity,
} from 'kuke/plugin';
import { blockDevicePath } from '../../../src/host/block-device.ts';
import type { Cgroup } from '../../../src/host/cgroupfs/cgroup.ts';
import { nestedKeyed } from '../../../src/host/cgroupfs/keyed.ts';
import type { Capacity } from './capacity.ts';
import { deviceFault, hugepagesFault, plainFault } from './faults.ts';
import { deviceKnob, deviceOf, hugepagesKnob, type Knob, plainKnobs } from './knobs.ts';
import type { LimitRecord } from './record.ts';

export interface Candidate {
  knob: Knob;
  asked?: LimitValue;
  fault?: string;
}

export interface Group {
  cgroup: Cgroup;
  /** Of a file; undefined: there is none. */
  content(file: string): string | undefined;
  /** Whether it has, or would have, a file of a controller. */
  has(controller: string, file: string): boolean;
}

export function plainCandidates(limits: Limits, host: Capacity, { cgroup, content, has }: Group): Candidate[] {
  // Who does not ask for a weight may have set one, in a group that is there.
  const hasFile = (file: string) =>
    content(file) !== undefined || (limits['io.weight'] !== undefined && has('io', file));
  const isBfq = !hasFile('io.weight') && hasFile('io.bfq.weight');
  const asked = new Map<LimitField, LimitValue>(eachLimit(limits));
  return plainKnobs(isBfq).map(knob => {
    const value = asked.get(knob.field);
    const fault = value === undefined ? undefined : plainFault(knob.field, value, host, cgroup);
    return candidate(knob, value, fault);
  });
}

/** By field. */
export type NamedDevices = Map<string, { path: string; rates: DeviceRates; number: string; fault?: string }>;

export function namedDevices(devices: Readonly<Record<string, DeviceRates>>): NamedDevices {
  const named: NamedDevices = new Map();
  const paths = new Map<string, string>();
  for (const [path, rates] of Object.entries(devices)) {
    const device = deviceFault(path, paths);
    if ('fault' in device) named.set(`io.devices.${path}`, { path, rates, number: '', fault: device.fault });
    else {
      paths.set(device.number, path);
      named.set(`io.devices.${path}`, { path, rates, number: device.number });
    }
  }
  return named;
}

export const numbersOf = (devices: NamedDevices) =>
  new Map([...devices].filter(([, { fault }]) => fault === undefined).map(([field, { number }]) => [field, number]));

/** Those that are asked for, those that were, and those that somebody limited by hand. */
export function deviceCandidates(devices: NamedDevices, { found }: LimitRecord, { content }: Group): Candidate[] {
  const asked = [...devices.values()].map(({ path, rates, number, fault }) =>
    candidate(deviceKnob(`io.devices.${path}`, number), rates, fault),
  );
  const known = new Set(numbersOf(devices).values());
  const before = Object.entries(found).flatMap(([field, text]) => {
    if (!isDeviceField(field) || devices.has(field) || known.has(deviceOf(text))) return [];
    known.add(deviceOf(text));
    return [candidate(deviceKnob(field, deviceOf(text)))];
  });
  const byHand = [...nestedKeyed(content('io.max') ?? '').keys()].flatMap(number => {
    const path = known.has(number) ? undefined : blockDevicePath(number);
    return path === undefined ? [] : [candidate(deviceKnob(`io.devices.${path}`, number))];
  });
  return [...asked, ...before, ...byHand];
}

const isDeviceField = (field: string): field is `io.devices.${string}` => field.startsWith('io.devices.');

export function hugepagesCandidates({ hugepages = {} }: Limits, host: Capacity): Candidate[] {
  const asked = Object.entries(hugepages).map(([name, limit]) => {
    const parsed = parseQuantity(name);
    // A size that no host has makes no name of a file.
    const pageSize = 'value' in parsed && Number.isSafeInteger(parsed.value) ? parsed.value : 0;
    return { name, limit, pageSize, fault: hugepagesFault(pageSize, limit, host) };
  });
  const others = host.pageSizes().filter(size => !asked.some(({ pageSize }) => pageSize === size));
  return [
    ...asked.map(({ name, limit, pageSize, fault }) =>
      candidate(hugepagesKnob(`hugepages.${name}`, pageSize), limit, fault),
    ),
    ...others.map(size => candidate(hugepagesKnob(`hugepages.${formatBytes(size)}`, size))),
  ];
}

const candidate = (knob: Knob, asked?: LimitValue, fault?: string): Candidate => ({
  knob,
  ...(asked !== undefined && { asked }),
  ...(fault !== undefined && { fault }),
});
