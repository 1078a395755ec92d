/** The steps that end containers of a cell and take them away: those that depend on others first, the root last (spec.md §6). */
import { type Added, type PlanContext, STOP_TIMEOUT_MS } from 'kuke/plugin';
import { type Cell, containerdId, shimGroup } from './layout.ts';
import { planTeardown } from './network-steps.ts';
import { type ObservedCell, runs } from './observed.ts';
import { dependantsOf, startOrder } from './order.ts';
import { allContainers, type ContainerSpec } from './schema.ts';

type Step = Added<unknown> | undefined;

/** The one that stands there ends and goes; nothing there: no step. */
export function planReplace(context: PlanContext, cell: Cell, seen: ObservedCell, id: string, after: Step[]): Step {
  const there = seen.containers.find(one => one.id === id);
  if (there === undefined) return undefined;
  const stopped = there.state === 'running' ? planStopOne(context, cell, seen, id, after) : undefined;
  return planRemove(context, cell, seen, id, [stopped, ...after]);
}

export function planRemove(
  context: PlanContext,
  cell: Cell,
  seen: ObservedCell,
  id: string,
  after: Step[],
): Added<unknown> {
  const params = { namespace: seen.namespace, id, group: shimGroup(seen.hash) };
  return context.plan.add(cell.ref, 'runtime.remove', params, after);
}

/** By its own stop signal and grace period, where the command does not say another. */
export function planStopOne(
  context: PlanContext,
  cell: Cell,
  { namespace }: ObservedCell,
  id: string,
  after: Step[],
): Added<unknown> {
  const said = allContainers(cell.spec).find(one => containerdId(cell, one) === id);
  const { terminationGracePeriodSeconds: seconds, stopSignal: signal } = said ?? {};
  const own = seconds === undefined ? STOP_TIMEOUT_MS : seconds * 1000;
  const timeoutMs = context.options.verb === 'kill' ? 0 : (context.options.stopTimeoutMs ?? own);
  const params = { namespace, id, timeoutMs, ...(signal && { signal }) };
  return context.plan.add(cell.ref, 'runtime.stop', params, after);
}

/** A root that starts anew gives the cell a new network, so nothing may still run in the old one. */
export function planEndOthers(
  context: PlanContext,
  cell: Cell,
  seen: ObservedCell,
  anew: ContainerSpec[],
  after: Step[],
): Step[] {
  const replaced = new Set(anew.map(one => containerdId(cell, one)));
  return seen.containers
    .filter(one => runs(one) && !replaced.has(one.id))
    .map(one => planStopOne(context, cell, seen, one.id, after));
}

/** All but the root, then the root, then the network (spec.md §6), for which what is to be done with the containers does not wait. */
export function planStop(context: PlanContext, cell: Cell, seen: ObservedCell): Step[] {
  const stopped = [...planEnds(context, cell, seen).values()];
  planTeardown(context, cell, seen, stopped);
  return stopped;
}

/** All but the root, then the root; by the ids that containerd has. */
export function planEnds(context: PlanContext, cell: Cell, seen: ObservedCell): Map<string, Step> {
  const rootId = seen.root?.id;
  const running = seen.containers.filter(runs).map(one => one.id);
  const stops = new Map<string, Step>();
  const inOrder = startOrder(cell.spec).reverse();
  for (const one of inOrder) {
    const id = containerdId(cell, one);
    if (id === rootId || !running.includes(id)) continue;
    const after = dependantsOf(cell.spec, one.id).map(other => stops.get(containerdId(cell, other)));
    stops.set(id, planStopOne(context, cell, seen, id, after));
  }
  // Init containers, and what the manifest does not have any more.
  for (const id of running)
    if (id !== rootId && !stops.has(id)) stops.set(id, planStopOne(context, cell, seen, id, []));
  if (rootId !== undefined && running.includes(rootId))
    stops.set(rootId, planStopOne(context, cell, seen, rootId, [...stops.values()]));
  return stops;
}
