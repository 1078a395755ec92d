/** Starting containers of a cell again in what they live in: netns, address and the others stay as they are (spec.md §4). */
import {
  type Added,
  dependencies,
  KukeError,
  observeCgroup,
  type PlanContext,
  type PluginKernel,
  planCgroup,
  watchLimits,
} from 'kuke/plugin';
import { planAwait } from './await-steps.ts';
import type { EffectiveCell } from './effective.ts';
import { type Cell, containerCgroup, containerdId, isRoot, leafName } from './layout.ts';
import { checkContainers, planLeaf } from './limit-steps.ts';
import { type ObservedCell, runs } from './observed.ts';
import { startOrder } from './order.ts';
import { type ContainerSpec, rootOf } from './schema.ts';
import { planEnds, planStopOne } from './stop-steps.ts';

/** False: something that they live in is gone, so it takes a start. A cell that is to be stopped, or whose root is, gets no step. */
export async function planRestart(
  kernel: PluginKernel,
  context: PlanContext,
  cell: EffectiveCell,
  seen: ObservedCell,
): Promise<boolean> {
  const wanted = context.options.members ?? cell.spec.containers.map(({ id }) => id);
  const members = startOrder(cell.spec).filter(({ id }) => wanted.includes(id));
  if (cell.spec.desiredState === 'stopped' || members.length === 0) return true;
  if (context.options.verb === 'hold') {
    for (const one of members) {
      const there = seen.of(one);
      if (there && runs(there)) planStopOne(context, cell, seen, there.id, []);
    }
    return true;
  }
  const root = rootOf(cell.spec);
  const hasNetwork = root?.hostNetwork === true || seen.netnsExists;
  if (!hasNetwork || members.some(one => seen.of(one) === undefined)) return false;
  if (!runs(seen.root) && !members.some(one => isRoot(cell, one))) return true;
  await (await kernel.use('runtime')).requireOciRuntime(cell.spec.runtime);
  await refuseFrozen(kernel, context, cell);
  const cgroup = await planCgroup(kernel.use, context, cell);
  const isKept = (one: ContainerSpec) => runs(seen.of(one)) && !members.includes(one);
  const limits = await checkContainers(kernel, context, cell, isKept);
  const started = new Map<string, Added<unknown>>();
  // All of it, as by `kuke rollout restart`: ended in its order, and each waits for what it depends on to be as it says.
  const ends = context.options.members === undefined ? planEnds(context, cell, seen) : undefined;
  for (const one of members) {
    const params = { namespace: seen.namespace, id: containerdId(cell, one) };
    const alone = () => (runs(seen.of(one)) ? planStopOne(context, cell, seen, params.id, []) : undefined);
    const stopped = ends === undefined ? alone() : ends.get(params.id);
    const cleared = context.plan.add(cell.ref, 'runtime.clear', params, [stopped]);
    const leaf = await planLeaf(kernel, context, cell, one, limits, [cgroup, cleared]);
    const watch = watchLimits(kernel.use, context, containerCgroup(cell, one), limits.get(one)?.limits ?? {});
    const awaited = dependencies(ends && one.dependsOn).map(({ id, condition }) => {
      const other = members.find(member => member.id === id);
      return other && planAwait(context, cell, cell, seen, other, condition, [started.get(id)]);
    });
    const before = [cleared, leaf, ...started.values(), ...awaited];
    started.set(one.id, context.plan.add(cell.ref, 'runtime.start', params, before, watch));
  }
  return true;
}

/** A process that is started in a frozen group never answers, and keeps the runtime waiting. */
export async function refuseFrozen(kernel: PluginKernel, context: PlanContext, cell: Cell): Promise<void> {
  const { kind, path } = cell.ref;
  const leaves = cell.spec.containers.map(one => [...path, leafName(cell, one)]);
  for (const at of [...path.map((_, depth) => path.slice(0, depth + 1)), ...leaves]) {
    const group = await observeCgroup(kernel.use, context, { kind, path: at });
    if (!group?.frozen) continue;
    throw new KukeError('Conflict', `cgroup ${group.path} is frozen: nothing that is started in it would run`, {
      remedy: 'thaw it: write 0 into its cgroup.freeze',
    });
  }
}
