/** The knobs that are looked at in a group: those that are asked for, those that were, and those that somebody may have set. */
import {
  type DeviceRates,
  deviceLimit,
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
import { deviceKnob, deviceOf, hugepagesKnob, type Knob, plainKnobs, RATE_NAMES } from './knobs.ts';
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

export function plainCandidates(limits: Limits, host: Capacity, { content, has }: Group): Candidate[] {
  // Who does not ask for a weight may have set one, in a group that is there.
  const hasFile = (file: string) =>
    content(file) !== undefined || (limits['io.weight'] !== undefined && has('io', file));
  const isBfq = !hasFile('io.weight') && hasFile('io.bfq.weight');
  const asked = new Map<LimitField, LimitValue>(eachLimit(limits));
  return plainKnobs(isBfq).map(knob => {
    const value = asked.get(knob.field);
    const fault = value === undefined ? undefined : plainFault(knob.field, value, host);
    return candidate(knob, value, fault);
  });
}

/** By path. */
export type NamedDevices = Map<string, { path: string; rates: DeviceRates; number: string; fault?: string }>;

export function namedDevices(devices: Readonly<Record<string, DeviceRates>>): NamedDevices {
  const named: NamedDevices = new Map();
  const paths = new Map<string, string>();
  for (const [path, rates] of Object.entries(devices)) {
    const device = deviceFault(path, paths);
    if ('fault' in device) named.set(path, { path, rates, number: '', fault: device.fault });
    else {
      paths.set(device.number, path);
      named.set(path, { path, rates, number: device.number });
    }
  }
  return named;
}

/** By path. */
export const numbersOf = (devices: NamedDevices) =>
  new Map([...devices].filter(([, { fault }]) => fault === undefined).map(([path, { number }]) => [path, number]));

/** Rates that are asked for, those that were, and those that somebody limited by hand. */
export function deviceCandidates(devices: NamedDevices, { found }: LimitRecord, { content }: Group): Candidate[] {
  const ratesOf = (rates: DeviceRates) => Object.entries(rates) as [keyof DeviceRates, number][];
  const asked = [...devices.values()].flatMap(({ path, rates, number, fault }) =>
    ratesOf(rates).map(([rate, value]) => candidate(deviceKnob({ path, rate }, number), value, fault)),
  );
  const known = new Set(asked.map(({ knob }) => knob.unset));
  const before = Object.entries(found).flatMap(([field, text]) => {
    const device = deviceLimit(field);
    const isFaulty = device !== undefined && devices.get(device.path)?.fault !== undefined;
    const knob = device === undefined || isFaulty ? undefined : deviceKnob(device, deviceOf(text));
    if (knob === undefined || known.has(knob.unset)) return [];
    known.add(knob.unset);
    return [candidate(knob)];
  });
  const paths = new Map([...numbersOf(devices)].map(([path, number]) => [number, path]));
  const byHand = [...nestedKeyed(content('io.max') ?? '').keys()].flatMap(number => {
    const path = paths.get(number) ?? blockDevicePath(number);
    const knobs = path === undefined ? [] : RATE_NAMES.map(rate => deviceKnob({ path, rate }, number));
    return knobs.filter(({ unset }) => !known.has(unset)).map(knob => candidate(knob));
  });
  return [...asked, ...before, ...byHand];
}

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
