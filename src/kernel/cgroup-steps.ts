/** The cgroup of a resource: one directory a level, named after the resources (spec.md §5). */
import type { UseBackend } from './backend-operations.ts';
import type { CgroupCreated, CgroupObservation } from './backends/index.ts';
import type { ObserveContext } from './kinds.ts';
import type { Added } from './plan.ts';
import type { PlanContext } from './planning.ts';
import type { ResourceRef } from './resource.ts';

export const CGROUP_ROOT = '/kukeon';

/** `/kukeon/main/default`, relative to the cgroup2 mount. */
export function cgroupPath(ref: ResourceRef): string {
  return [CGROUP_ROOT, ...ref.path].join('/');
}

/** Undefined: there is none. */
export async function observeCgroup(
  use: UseBackend,
  context: ObserveContext,
  ref: ResourceRef,
): Promise<CgroupObservation | undefined> {
  const all = await context.once('cgroup', async () => (await use('cgroup')).observe(CGROUP_ROOT));
  const path = cgroupPath(ref);
  return all.find(group => group.path === path);
}

/** Adds the step that makes the resource's cgroup, if there is none; before the first realm's, the root of them all. */
export async function planCgroup(
  use: UseBackend,
  context: PlanContext,
  ref: ResourceRef,
): Promise<Added<CgroupCreated> | undefined> {
  const group = await observeCgroup(use, context, ref);
  // One that is not ours is in the way: making ours says so, in words that name it.
  if (group?.ours) return undefined;
  const root = await observeCgroup(use, context, { kind: ref.kind, path: [] });
  const parent = root?.ours ? undefined : context.plan.add(ref, 'cgroup.create', { path: CGROUP_ROOT });
  return context.plan.add(ref, 'cgroup.create', { path: cgroupPath(ref) }, [parent]);
}
