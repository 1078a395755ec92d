/** What a manifest asks for of one cgroup, and where it says so. */
import { cgroupPath } from '../cgroups.ts';
import { describe, type ResourceRef } from '../resource.ts';
import { type DeviceLimit, deviceLimit, type LimitField } from './limits.ts';
import { oneSpelling } from './quantity.ts';
import type { Resources } from './schema.ts';

export interface Asked {
  resources?: Resources | undefined;
  /** `spec.resources`, `spec.containers[1].resources`. */
  field: string;
  /** Whose manifest says it, where that is another resource's: a space's defaults. */
  by?: ResourceRef;
  /** What says it in the place of a manifest: `--reserve-cpu`. */
  flags?: Readonly<Partial<Record<LimitField, string>>>;
}

export interface AskedOfGroup extends Asked {
  /** `/kukeon/main` */
  path: string;
  /** Of what its resource declares, such as a container: its id, by which it is known. */
  name?: string;
  /** What is to run in it is about to be made anew, and it with that. */
  isAnew?: true;
  /** Nothing is to run in it: what it reserves of memory is given to nobody above it. */
  isIdle?: true;
  /** What runs in it has ended when the others beside it start: what it reserves comes not on top of theirs. */
  comesFirst?: true;
}

/** A resource whose cgroup is named after it. */
export interface WithCgroup {
  ref: ResourceRef;
  spec: { resources?: Resources };
}

export function askedOf({ ref, spec: { resources } }: WithCgroup): AskedOfGroup {
  return { path: cgroupPath(ref), resources, field: 'spec.resources' };
}

/** Where a manifest says it: `spec.resources.memory.limit`, `spec.resources.io.devices[0].readBps`, `spec.resources.hugepages.2Mi`. */
export function fieldPath(asked: Asked, limit: LimitField): string {
  const { resources, field, flags } = asked;
  const said = flags?.[limit];
  if (said !== undefined) return said;
  const device = deviceLimit(limit);
  if (device !== undefined) return `${devicePath(asked, device)}.${device.rate}`;
  if (limit.startsWith('hugepages.')) {
    const size = Object.keys(resources?.hugepages ?? {}).find(given => `hugepages.${oneSpelling(given)}` === limit);
    return `${field}.hugepages.${size}`;
  }
  return `${field}.${limit}`;
}

/** Of what is wrong with a device, and not with one of its rates: `spec.resources.io.devices[0]`. */
export function faultPath(asked: Asked, limit: LimitField): string {
  const device = deviceLimit(limit);
  return device === undefined ? fieldPath(asked, limit) : devicePath(asked, device);
}

function devicePath({ resources, field }: Asked, device: DeviceLimit): string {
  return `${field}.io.devices[${resources?.io?.devices?.findIndex(({ path }) => path === device.path)}]`;
}

/** `spec`, or whose default it is: `space main/default`. */
export function originOf({ by }: Asked): string {
  return by === undefined ? 'spec' : describe(by);
}
