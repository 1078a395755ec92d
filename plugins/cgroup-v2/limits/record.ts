/**
 * What kuke was asked to limit in a group and what the kernel showed after it had written that: the attribute `kukeon.limits` of the group.
 * By it values that somebody wrote by hand are told apart.
 */
import { deviceField, deviceLimit, type Limits } from 'kuke/plugin';
import type { Cgroup } from '../../../src/host/cgroupfs/cgroup.ts';
import { getAttribute, removeAttribute, setAttribute } from '../attribute.ts';
import { walk } from '../walk.ts';
import { controllerOf, deviceOf } from './knobs.ts';

export interface LimitRecord {
  asked: Limits;
  /** `Knob.text`. Asked for and not here: the host could not do it, or kuke died while it wrote. */
  found: Readonly<Record<string, string>>;
  /** By field, why the kernel did not hand the controller down when kuke tried: it is not tried for this group alone again. */
  refused?: Readonly<Record<string, string>>;
}

const NAME = 'kukeon.limits';

export function readRecord(cgroup: Cgroup): LimitRecord | undefined {
  const text = getAttribute(cgroup.path, NAME);
  if (text === undefined) return undefined;
  try {
    const { asked, found, refused } = JSON.parse(text);
    if (!isObject(asked) || !isTexts(found)) return undefined;
    return { asked, found, ...(isTexts(refused) && { refused }) };
  } catch {
    return undefined; // somebody else wrote there
  }
}

export function writeRecord(cgroup: Cgroup, record: LimitRecord | undefined): void {
  if (record === undefined) removeAttribute(cgroup.path, NAME);
  else setAttribute(cgroup.path, NAME, JSON.stringify(record));
}

/** Of a controller that a group gets anew, the files have what a new group has: in the group and below, they are to be written again. */
export function forgetFound(top: Cgroup, controllers: readonly string[]): void {
  for (const cgroup of walk(top)) {
    const record = readRecord(cgroup);
    if (record === undefined) continue;
    const kept = Object.entries(record.found).filter(([field]) => !controllers.includes(controllerOf(field)));
    if (kept.length < Object.keys(record.found).length)
      writeRecord(cgroup, { ...record, found: Object.fromEntries(kept) });
  }
}

/**
 * What was written for a device goes by the path by which it is asked for now: paths come to mean other devices, and devices get other
 * paths. `asked`: the numbers by path; `pathOf`: what else a number is called.
 */
export function follow(
  record: LimitRecord,
  asked: ReadonlyMap<string, string>,
  pathOf: (number: string) => string | undefined,
): LimitRecord {
  const paths = new Map([...asked].map(([path, number]) => [number, path]));
  const found = Object.entries(record.found).flatMap(([field, text]): [string, string][] => {
    const device = deviceLimit(field);
    if (device === undefined) return [[field, text]];
    const number = deviceOf(text);
    const path = paths.get(number) ?? (asked.has(device.path) ? pathOf(number) : device.path);
    return path === undefined ? [] : [[deviceField({ ...device, path }), text]];
  });
  return { ...record, found: Object.fromEntries(found) };
}

const isTexts = (value: unknown): value is Record<string, string> =>
  isObject(value) && Object.values(value).every(one => typeof one === 'string');
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
