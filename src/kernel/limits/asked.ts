/** What a manifest asks for of one cgroup, and where it says so. */
import { cgroupPath } from '../cgroups.ts';
import { describe, type ResourceRef } from '../resource.ts';
import type { LimitField } from './limits.ts';
import { formatBytes, parseQuantity } from './quantity.ts';
import type { Resources } from './schema.ts';

export interface Asked {
  resources?: Resources | undefined;
  /** `spec.resources`, `spec.containers[1].resources`. */
  field: string;
  /** Whose manifest says it, where that is another resource's: a space's defaults. */
  by?: ResourceRef;
}

export interface AskedOfGroup extends Asked {
  /** `/kukeon/main` */
  path: string;
}

/** A resource whose cgroup is named after it. */
export interface WithCgroup {
  ref: ResourceRef;
  spec: { resources?: Resources };
}

export function askedOf({ ref, spec: { resources } }: WithCgroup): AskedOfGroup {
  return { path: cgroupPath(ref), resources, field: 'spec.resources' };
}

/** Where a manifest says it: `spec.resources.memory.limit`, `spec.resources.io.devices[0]`, `spec.resources.hugepages.2Mi`. */
export function fieldPath({ resources, field }: Asked, limit: LimitField): string {
  if (limit.startsWith('io.devices.')) {
    const index = resources?.io?.devices?.findIndex(({ path }) => `io.devices.${path}` === limit);
    return `${field}.io.devices[${index}]`;
  }
  if (limit.startsWith('hugepages.')) {
    const size = Object.keys(resources?.hugepages ?? {}).find(given => `hugepages.${sizeOf(given)}` === limit);
    return `${field}.hugepages.${size}`;
  }
  return `${field}.${limit}`;
}

/** `spec`, or whose default it is: `space main/default`. */
export function originOf({ by }: Asked): string {
  return by === undefined ? 'spec' : describe(by);
}

function sizeOf(given: string): string {
  const parsed = parseQuantity(given);
  return 'value' in parsed ? formatBytes(parsed.value) : given;
}
