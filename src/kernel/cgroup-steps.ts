/** The steps that make a resource's cgroup, and give it its limits. */
import type { UseBackend } from './backend-operations.ts';
import { CGROUP_ROOT, cgroupPath, observeCgroup, observeCgroups } from './cgroups.ts';
import { askedOf, type WithCgroup } from './limits/asked.ts';
import { checkLimits, type LimitsToGive } from './limits/plan.ts';
import type { Added } from './plan.ts';
import type { PlanContext } from './planning.ts';
import { type Reserve, readReserve, reserveGroup } from './reserve.ts';
import type { ResourceRef } from './resource.ts';

/**
 * Adds what is missing of the resource's cgroup and of its limits, as after a reboot; before the first realm's, of the root of them all.
 * Throws as checkLimits does, before it adds a step. Returns what is to come into the group waits for; undefined: it is as it should be.
 */
export async function planCgroup(
  use: UseBackend,
  context: PlanContext,
  resource: WithCgroup,
): Promise<Added<unknown> | undefined> {
  const { ref } = resource;
  const path = cgroupPath(ref);
  const group = await observeCgroup(use, context, ref);
  const limits = await checkLimits(use, context, askedOf(resource));
  // Nobody takes it from under what is in it; its own limits are seen to with a realm's.
  const seesToRoot = ref.path.length === 1 || group === undefined;
  // No manifest is to blame for what init has kept.
  const quiet: PlanContext = { ...context, options: { ...context.options, verb: 'settle' } };
  const root = seesToRoot ? await planRoot(use, quiet, ref, await readReserve(use)) : undefined;
  // One that is not ours is in the way: making ours says so, in words that name it.
  const made = group?.ours ? undefined : context.plan.add(ref, 'cgroup.create', { path }, [root]);
  return planLimits(context, ref, path, limits, made) ?? made;
}

/** `/kukeon`, with what init has left of the host to all that is in it. */
export async function planRoot(
  use: UseBackend,
  context: PlanContext,
  ref: ResourceRef,
  reserve: Reserve,
): Promise<Added<unknown> | undefined> {
  const root = await observeCgroup(use, context, { kind: ref.kind, path: [] });
  const limits = await checkLimits(use, context, reserveGroup(reserve));
  const made = root?.ours ? undefined : context.plan.add(ref, 'cgroup.create', { path: CGROUP_ROOT });
  return planLimits(context, ref, CGROUP_ROOT, limits, made) ?? made;
}

/** What the levels of these paths are given for what is reserved in them, where they are there, and have something else. */
export async function planReserved(use: UseBackend, context: PlanContext, paths: Iterable<string>): Promise<void> {
  const there = new Map((await observeCgroups(use, context)).map(group => [group.path, group]));
  for (const path of paths) {
    if (!there.get(path)?.ours) continue;
    const isRoot = path === CGROUP_ROOT;
    const group = isRoot
      ? { ...reserveGroup(await readReserve(use)), ref: { kind: 'Host', path: [] } }
      : context.asked(path);
    if (group !== undefined) planLimits(context, group.ref, path, await checkLimits(use, context, group));
  }
}

/** Nothing is due: no step. */
export function planLimits(
  { plan }: PlanContext,
  ref: ResourceRef,
  path: string,
  { limits, due, leave, take }: LimitsToGive,
  after?: Added<unknown>,
): Added<unknown> | undefined {
  if (!due) return undefined;
  const params = { path, limits, ...(leave.length > 0 && { leave }), ...(take.length > 0 && { take }) };
  return plan.add(ref, 'cgroup.limit', params, [after]);
}
