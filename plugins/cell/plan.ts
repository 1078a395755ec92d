/** From what is observed of a cell to what its manifest asks for (spec.md §4, §6). */
import {
  type Added,
  cgroupPath,
  KukeError,
  nameOf,
  observeCgroup,
  type PlanContext,
  type PluginKernel,
  planCgroup,
  refuseUnlimitedAbove,
  watchLimits,
} from 'kuke/plugin';
import { configHash, containerConfig } from './container-config.ts';
import { type EffectiveCell, effectiveCell } from './effective.ts';
import { type PlannedEtcFiles, planEtcFiles } from './etc-files.ts';
import { planPulls } from './image-steps.ts';
import { type Cell, containerCgroup, containerdId, etcFile, isRoot, leafName, shimGroup } from './layout.ts';
import { checkContainers, planLeaf, planLimitsAlone, planLimitsInPlace, planStrayLeaves } from './limit-steps.ts';
import { type PlannedNetwork, planNetwork, planTeardown, refuseDamagedNetworks } from './network-steps.ts';
import { isLost, LABELS, type ObservedCell, observeCell, runs } from './observed.ts';
import { isOomUnsaved } from './oom.ts';
import { type ContainerSpec, rootOf } from './schema.ts';

type Step = Added<unknown> | undefined;

export async function planCell(kernel: PluginKernel, context: PlanContext, said: Cell): Promise<void> {
  const cell = effectiveCell(context, said);
  if (cell === undefined) throw new KukeError('NotFound', 'its space is not there');
  const seen = await observeCell(kernel, context, cell);
  if (context.options.verb === 'limit') {
    await planLimitsAlone(kernel, context, cell, seen);
    if (isStale(kernel, cell, seen)) context.note(WAITS);
    return;
  }
  if (context.options.verb === 'start' && cell.spec.containers.length === 0) {
    throw new KukeError('Conflict', 'it has no containers to start', {
      remedy: 'add containers to its manifest and apply it',
    });
  }
  const gone = seen.containers.filter(
    one => !cell.spec.containers.some(container => containerdId(cell, container) === one.id),
  );
  if (cell.spec.desiredState === 'stopped') {
    await planCgroup(kernel.use, context, cell);
    await checkContainers(kernel, context, cell);
    const stopped = planStop(context, cell, seen);
    for (const one of gone) {
      planRemove(context, cell, seen, one.id, stopped);
    }
    return;
  }
  await planRunning(
    kernel,
    context,
    cell,
    seen,
    gone.map(one => one.id),
  );
}

/** Every container there and, save for those that have ended, running. */
async function planRunning(
  kernel: PluginKernel,
  context: PlanContext,
  cell: EffectiveCell,
  seen: ObservedCell,
  gone: string[],
): Promise<void> {
  const root = rootOf(cell.spec);
  // An apply leaves what has ended as it is, unless it is what says that the cell is to run again.
  const isAsked = context.options.verb === 'start' || context.changes.some(({ path }) => path === 'spec.desiredState');
  const fresh = root === undefined || needsNew(kernel, cell, root, seen) || networkLost(cell, seen);
  // The root owns the network namespace: a new root, or a lost namespace, is a new cell to all of its processes.
  const anew = cell.spec.containers.filter(one => fresh || needsNew(kernel, cell, one, seen));
  const starts = (one: ContainerSpec): boolean => {
    const there = seen.of(one);
    if (anew.includes(one) || there === undefined || there.state === 'created' || isLost(there)) return true;
    return isAsked && there.state !== 'running';
  };
  const rootRuns = root !== undefined && (starts(root) || seen.of(root)?.state === 'running');
  const pulls = await planPulls(kernel, context, cell, anew, seen.namespace);
  await refuseDamagedNetworks(kernel, context, cell);

  if (cell.spec.containers.some(starts)) {
    await (await kernel.use('runtime')).requireOciRuntime(cell.spec.runtime);
    await refuseFrozen(kernel, context, cell);
    await refuseUnlimitedAbove(kernel.use, context, cell.ref);
  }
  const cgroup = await planCgroup(kernel.use, context, cell);
  const limits = await checkContainers(kernel, context, cell);
  const runsOn = (one: ContainerSpec) => runs(seen.of(one)) && !anew.includes(one);
  // First, and before anything is ended: what the kernel refuses leaves all as it was.
  const limited = [cgroup, ...(await planLimitsInPlace(kernel, context, cell, limits, runsOn, cgroup))];
  const removed = new Map<string, Step>(
    [...anew.map(one => containerdId(cell, one)), ...gone].map(id => [
      id,
      planReplace(context, cell, seen, id, [...pulls, ...limited]),
    ]),
  );
  const watchOf = (one: ContainerSpec) =>
    watchLimits(kernel.use, context, containerCgroup(cell, one), limits.get(one)?.limits ?? {});
  const make = async (one: ContainerSpec, after: Step[], ready = false): Promise<Step> => {
    const config = await containerConfig(kernel, cell, one, seen);
    const before = [cgroup, removed.get(config.id), ...pulls, ...after];
    // To make it ready is to start all of it but its program.
    const watch = ready ? watchOf(one) : undefined;
    return context.plan.add(cell.ref, 'runtime.create', { ...config, ...(ready && { ready }) }, before, watch);
  };
  if (root !== undefined && seen.containers.length === 0) {
    const network = planNetwork(context, cell, seen, true);
    const etc = await planEtcFiles(kernel, context, cell, network.addresses);
    return planFirstStart(network, etc);
  }
  const created = new Map<ContainerSpec, Step>();
  for (const one of anew) created.set(one, await make(one, []));
  // Without containers a cell has no network (spec.md §3).
  if (root === undefined) planTeardown(context, cell, seen, [...removed.values()]);
  if (root === undefined || !rootRuns) return;
  const restarts = starts(root);
  const ended = restarts ? planEndOthers(context, cell, seen, anew, limited) : [];
  // A process keeps its network until it has ended; and what the kernel refuses leaves that, too, as it was.
  const network = planNetwork(context, cell, seen, restarts, [...limited, ...ended, ...removed.values()]);
  const etc = await planEtcFiles(kernel, context, cell, network.addresses);
  const ready = [...network.ready, ...etc.ready, ...ended];
  const start = async (one: ContainerSpec, after: Step[]): Promise<Step> => {
    const params = { namespace: seen.namespace, id: containerdId(cell, one) };
    // A task takes its group along when it goes, so an ended one goes before the next one's is made ready; and not before the network is.
    const isLeft = !anew.includes(one) && seen.of(one) !== undefined;
    const cleared = isLeft ? context.plan.add(cell.ref, 'runtime.clear', params, ready) : undefined;
    const leaf = await planLeaf(kernel, context, cell, one, limits, [cgroup, removed.get(params.id), cleared]);
    const before = [...after, ...ready, created.get(one), leaf];
    return context.plan.add(cell.ref, 'runtime.start', params, before, watchOf(one));
  };
  const rootStarted = restarts ? await start(root, [...removed.values()]) : undefined;
  for (const one of cell.spec.containers) {
    if (!isRoot(cell, one) && (restarts || starts(one))) await start(one, [rootStarted]);
  }

  /** Of a cell of which there is nothing: its containers are made ready while its network is, which is what takes longest. */
  async function planFirstStart(network: PlannedNetwork, etc: PlannedEtcFiles): Promise<void> {
    const isFirst = (one: ContainerSpec) => isRoot(cell, one);
    const inOrder = [...cell.spec.containers.filter(isFirst), ...cell.spec.containers.filter(one => !isFirst(one))];
    const place = network.opened ? [network.opened] : network.ready;
    let lastMade: Step;
    let rootStarted: Step;
    for (const one of inOrder) {
      const leaf = await planLeaf(kernel, context, cell, one, limits, [cgroup]);
      // The root's brings up the shim of them all.
      lastMade = await make(one, [...place, ...etc.there, leaf, lastMade], true);
      const params = { namespace: seen.namespace, id: containerdId(cell, one) };
      const after = [lastMade, ...network.ready, ...etc.ready, rootStarted];
      const started = context.plan.add(cell.ref, 'runtime.start', params, after, watchOf(one));
      rootStarted ??= started;
    }
  }
}

/** A process that is started in a frozen group never answers, and keeps the runtime waiting. */
async function refuseFrozen(kernel: PluginKernel, context: PlanContext, cell: Cell): Promise<void> {
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

function needsNew(kernel: PluginKernel, cell: Cell, container: ContainerSpec, seen: ObservedCell): boolean {
  const there = seen.of(container);
  return there === undefined || there.labels[LABELS.config] !== configHash(kernel, cell, container);
}

/** Processes live in a namespace that no path leads to any more: what is attached now would not reach them. */
function networkLost(cell: Cell, seen: ObservedCell): boolean {
  return seen.root?.state === 'running' && !seen.netnsExists && rootOf(cell.spec)?.hostNetwork !== true;
}

/** A root that starts anew gives the cell a new network, so nothing may still run in the old one. */
function planEndOthers(
  context: PlanContext,
  cell: Cell,
  seen: ObservedCell,
  anew: ContainerSpec[],
  after: Step[],
): Step[] {
  const replaced = new Set(anew.map(one => containerdId(cell, one)));
  return seen.containers
    .filter(one => (one.state === 'running' || one.state === 'paused') && !replaced.has(one.id))
    .map(one => planStopOne(context, cell, seen, one.id, after));
}

/** The one that stands there ends and goes; nothing there: no step. */
function planReplace(context: PlanContext, cell: Cell, seen: ObservedCell, id: string, after: Step[]): Step {
  const there = seen.containers.find(one => one.id === id);
  if (there === undefined) return undefined;
  const stopped = there.state === 'running' ? planStopOne(context, cell, seen, id, after) : undefined;
  return planRemove(context, cell, seen, id, [stopped, ...after]);
}

function planRemove(context: PlanContext, cell: Cell, seen: ObservedCell, id: string, after: Step[]): Added<unknown> {
  const params = { namespace: seen.namespace, id, group: shimGroup(seen.hash) };
  return context.plan.add(cell.ref, 'runtime.remove', params, after);
}

function planStopOne(context: PlanContext, cell: Cell, seen: ObservedCell, id: string, after: Step[]): Added<unknown> {
  const timeoutMs = context.options.verb === 'kill' ? 0 : context.options.stopTimeoutMs;
  return context.plan.add(cell.ref, 'runtime.stop', { namespace: seen.namespace, id, timeoutMs }, after);
}

/** All but the root at once, then the root, then the network (spec.md §6), for which what is to be done with the containers does not wait. */
export function planStop(context: PlanContext, cell: Cell, seen: ObservedCell): Step[] {
  const rootId = seen.root?.id;
  const running = seen.containers.filter(one => one.state === 'running' || one.state === 'paused').map(one => one.id);
  const others = running.filter(id => id !== rootId).map(id => planStopOne(context, cell, seen, id, []));
  const root =
    rootId !== undefined && running.includes(rootId) ? planStopOne(context, cell, seen, rootId, others) : undefined;
  const stopped = [...others, root];
  planTeardown(context, cell, seen, stopped);
  return stopped;
}

/** The root has ended, so the cell has: its network goes, and the others are stopped (spec.md §4). */
export async function planSettle(kernel: PluginKernel, context: PlanContext, cell: Cell): Promise<void> {
  const seen = await observeCell(kernel, context, cell);
  // The kernel's count goes with the group.
  if (await isOomUnsaved(kernel, cell)) context.keepStatus();
  await planStrayLeaves(kernel, context, cell, seen);
  if (!runs(seen.root) && seen.root?.state !== 'unknown') return void planStop(context, cell, seen);
  const effective = effectiveCell(context, cell);
  if (effective === undefined) return;
  await planLimitsAlone(kernel, context, effective, seen);
  if (isStale(kernel, effective, seen)) context.note(AS_BEFORE);
}

/** A container is not as its manifest and its space have it, and the cell is to run. */
function isStale(kernel: PluginKernel, cell: EffectiveCell, seen: ObservedCell): boolean {
  if (cell.spec.desiredState === 'stopped') return false;
  return cell.spec.containers.some(one => seen.of(one) && needsNew(kernel, cell, one, seen));
}

/** A space's defaults have changed, and more than a file of a cgroup has to. */
const AS_BEFORE = 'its containers have to be made anew for that: apply it again';

const WAITS =
  'the limits alone were changed: its containers have yet to be made anew for what changed before; apply it for that';

export async function planDelete(kernel: PluginKernel, context: PlanContext, cell: Cell): Promise<void> {
  const seen = await observeCell(kernel, context, cell);
  const stopped = planStop(context, cell, seen);
  const removed = seen.containers.map(one => planRemove(context, cell, seen, one.id, stopped));
  context.plan.add(cell.ref, 'store.removeFile', { path: etcFile(cell.ref) }, removed);
  const named = seen.containers.flatMap(one => one.labels[LABELS.container] ?? []);
  const leaves = [...new Set([`${nameOf(cell.ref)}_root`, ...cell.spec.containers.map(({ id }) => id), ...named])];
  context.plan.add(cell.ref, 'cgroup.remove', { path: cgroupPath(cell.ref), leaves }, removed);
}
