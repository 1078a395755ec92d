/** The limits of a cell's containers, each on its leaf cgroup: made ready before a start, and changed while it runs. */
import {
  type Added,
  type AskedOfGroup,
  askedOf,
  cgroupPath,
  checkLimits,
  formatLimit,
  type LimitsToGive,
  observeCgroup,
  observeCgroupsIn,
  type PlanContext,
  type PluginKernel,
  planCgroup,
  planLimits,
  type ResourceTree,
} from 'kuke/plugin';
import { askedOfContainer, type EffectiveCell, effectiveCell, uninheriting } from './effective.ts';
import { type Cell, containerCgroup, leafThere } from './layout.ts';
import { isLost, LABELS, type ObservedCell, runs } from './observed.ts';
import { oomOf, unremembered } from './oom.ts';
import { allContainers, type ContainerSpec } from './schema.ts';

type Step = Added<unknown> | undefined;

/** Its own group and those of its containers. */
export function limitedGroups(tree: ResourceTree, cell: Cell): AskedOfGroup[] {
  const effective = effectiveCell({ tree }, cell) ?? uninheriting(cell);
  const { initContainers = [], containers } = effective.spec;
  const groups: AskedOfGroup[] = [
    askedOf(cell),
    ...initContainers.map(one => ({ ...askedOfContainer(effective, one), comesFirst: true as const })),
    ...containers.map(one => askedOfContainer(effective, one)),
  ];
  return cell.spec.desiredState === 'stopped' ? groups.map(group => ({ ...group, isIdle: true })) : groups;
}

/** By container; `runsOn`: those whose group stays. Throws as checkLimits does. */
export async function checkContainers(
  kernel: PluginKernel,
  context: PlanContext,
  cell: EffectiveCell,
  runsOn: (container: ContainerSpec) => boolean,
): Promise<ReadonlyMap<ContainerSpec, LimitsToGive>> {
  const limits = new Map<ContainerSpec, LimitsToGive>();
  for (const one of allContainers(cell.spec)) {
    const group: AskedOfGroup = { ...askedOfContainer(cell, one), ...(!runsOn(one) && { isAnew: true }) };
    limits.set(one, await checkLimits(kernel.use, context, group));
  }
  return limits;
}

/** Of those that run on. Returns the steps. */
export async function planLimitsInPlace(
  kernel: PluginKernel,
  context: PlanContext,
  cell: Cell,
  limits: ReadonlyMap<ContainerSpec, LimitsToGive>,
  runsOn: (container: ContainerSpec) => boolean,
  after: Step,
): Promise<Step[]> {
  const groups = await observeCgroupsIn(kernel.use, context, cell.ref);
  const added: Step[] = [];
  for (const [one, wanted] of limits) {
    if (!wanted.due || !runsOn(one)) continue;
    const path = containerCgroup(cell, one);
    // It may carry no mark: where a kuke died in a start, the runtime has taken the group away with its first attempt, and made another.
    if (groups.some(group => group.path === path)) added.push(planLimits(context, cell.ref, path, wanted, after));
    else context.note(`\`${one.id}\` gets its limits when it is started again`);
  }
  return added;
}

/** The group that a container is about to be started in. */
export async function planLeaf(
  kernel: PluginKernel,
  context: PlanContext,
  cell: Cell,
  container: ContainerSpec,
  all: ReadonlyMap<ContainerSpec, LimitsToGive>,
  after: Step[],
): Promise<Added<unknown>> {
  const { limits = {} } = all.get(container) ?? {};
  const path = containerCgroup(cell, container);
  const { kills: oomKills } = await oomOf(kernel, unremembered, cell, container);
  for (const { field, current } of await writtenByHand(kernel, context, cell, path))
    context.note(
      `\`${container.id}\` starts with the limits of its manifest: ${field} was ${current === undefined ? 'none' : formatLimit(field, current)} by hand`,
    );
  return context.plan.add(cell.ref, 'cgroup.leaf', { path, limits, oomKills }, after);
}

/** What goes with the group that an ended container has left. */
async function writtenByHand(kernel: PluginKernel, context: PlanContext, cell: Cell, path: string) {
  const groups = await observeCgroupsIn(kernel.use, context, cell.ref);
  if (!groups.some(group => group.path === path)) return [];
  const backend = await kernel.use('cgroup');
  // By what it was asked for, as long as it ran.
  const seen = await backend.limits({ path, limits: (await backend.asked(path)) ?? {} });
  return seen.filter(({ manual }) => manual);
}

/** The limits of the cell's own group where it has one; a reboot takes it, and the next start makes it. Throws as checkLimits does. */
export async function planGroupThere(kernel: PluginKernel, context: PlanContext, cell: EffectiveCell): Promise<Step> {
  const group = await observeCgroup(kernel.use, context, cell.ref);
  if (group?.ours) return planCgroup(kernel.use, context, cell);
  await checkLimits(kernel.use, context, askedOf(cell));
  return undefined;
}

/** The limits alone of what is there. A group that is not, as after a reboot, comes with the next start, and its limits with it. */
export async function planLimitsAlone(
  kernel: PluginKernel,
  context: PlanContext,
  cell: EffectiveCell,
  seen: ObservedCell,
): Promise<void> {
  const ready = await planGroupThere(kernel, context, cell);
  const runsOn = (one: ContainerSpec) => runs(seen.of(one));
  const limits = await checkContainers(kernel, context, cell, runsOn);
  await planLimitsInPlace(kernel, context, cell, limits, runsOn, ready);
}

/** A leaf that was made ready for a start that never came goes; that of a task, also of an ended one, goes with it. */
export async function planStrayLeaves(
  kernel: PluginKernel,
  context: PlanContext,
  cell: Cell,
  seen: ObservedCell,
): Promise<void> {
  const withTask = seen.containers.filter(one => one.state !== 'created' && !isLost(one));
  const kept = withTask.map(({ id, labels }) => leafThere(cell, id, labels[LABELS.container]));
  for (const { path, ours, populated } of await observeCgroupsIn(kernel.use, context, cell.ref)) {
    const isKept = kept.some(name => path === `${cgroupPath(cell.ref)}/${name}`);
    if (ours && !populated && !isKept) context.plan.add(cell.ref, 'cgroup.remove', { path });
  }
}
