/** The cgroup of a resource: one directory a level, named after the resources (spec.md §5). */
import type { UseBackend } from './backend-operations.ts';
import type { CgroupObservation } from './backends/index.ts';
import type { KindRegistry, ObserveContext, Resource } from './kinds.ts';
import type { ResourceRef } from './resource.ts';

export const CGROUP_ROOT = '/kukeon';

/** `/kukeon/main/default`, relative to the cgroup2 mount. */
export function cgroupPath(ref: ResourceRef): string {
  return [CGROUP_ROOT, ...ref.path].join('/');
}

/** Of one that its parent declares, only the status says it. */
export function groupOf(kinds: KindRegistry, { ref, manifest }: Resource): string | undefined {
  if (kinds.get(ref.kind).embedded === undefined) return cgroupPath(ref);
  const path = manifest.status?.cgroupPath;
  return typeof path === 'string' ? path : undefined;
}

/** All; of a context for one resource alone what lies in its own, and what that lies in. */
export function observeCgroups(use: UseBackend, context: ObserveContext): Promise<CgroupObservation[]> {
  const top = context.only ? cgroupPath(context.only) : CGROUP_ROOT;
  return context.once('cgroup', async () => (await use('cgroup')).observe(top, { isAbove: true }));
}

/** Undefined: there is none. */
export async function observeCgroup(
  use: UseBackend,
  context: ObserveContext,
  ref: ResourceRef,
): Promise<CgroupObservation | undefined> {
  const byPath = await context.once(
    'cgroup by path',
    async () => new Map((await observeCgroups(use, context)).map(group => [group.path, group])),
  );
  return byPath.get(cgroupPath(ref));
}

/** Those that lie directly in the resource's. */
export async function observeCgroupsIn(
  use: UseBackend,
  context: ObserveContext,
  ref: ResourceRef,
): Promise<CgroupObservation[]> {
  const byParent = await context.once('cgroup by parent', async () =>
    Map.groupBy(await observeCgroups(use, context), ({ path }) => path.slice(0, path.lastIndexOf('/'))),
  );
  return byParent.get(cgroupPath(ref)) ?? [];
}

/** By the path of their cgroup. */
export function cgroupOwners(context: ObserveContext): Promise<ReadonlyMap<string, Resource>> {
  return context.once('cgroup owners', async () => new Map(context.tree.all().map(one => [cgroupPath(one.ref), one])));
}
