/** From what is observed of a cell to what its manifest asks for (spec.md §4, §6). */
import {
  type Added,
  cgroupPath,
  dependencies,
  describe,
  KukeError,
  keyOf,
  nameOf,
  type PlanContext,
  type PluginKernel,
  planCgroup,
  refuseUnlimitedAbove,
  watchLimits,
} from 'kuke/plugin';
import { planAwait, planAwaitCells } from './await-steps.ts';
import { containerConfig, needsNew } from './container-config.ts';
import { type EffectiveCell, effectiveCell } from './effective.ts';
import { type PlannedEtcFiles, planEtcFiles } from './etc-files.ts';
import { planPulls } from './image-steps.ts';
import { type Cell, cellHash, containerCgroup, containerdId, etcFile, isRoot, netnsPath } from './layout.ts';
import {
  checkContainers,
  planGroupThere,
  planLeaf,
  planLimitsAlone,
  planLimitsInPlace,
  planStrayLeaves,
} from './limit-steps.ts';
import { type PlannedNetwork, planNetwork, planTeardown, refuseDamagedNetworks } from './network-steps.ts';
import { isLost, LABELS, type ObservedCell, observeCell, runs } from './observed.ts';
import { isOomUnsaved } from './oom.ts';
import { startOrder } from './order.ts';
import { planRestart, refuseFrozen } from './restart.ts';
import { allContainers, type ContainerSpec, rootOf } from './schema.ts';
import { planEndOthers, planRemove, planReplace, planStop } from './stop-steps.ts';
import { isRootDue } from './supervised.ts';

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
  if (seen.containers.length === 0) await refuseSameHash(kernel, context, cell, seen);
  const isOfMembers = context.options.verb === 'restart' || context.options.verb === 'hold';
  if (isOfMembers && (await planRestart(kernel, context, cell, seen))) return;
  if (context.options.verb === 'start' && cell.spec.containers.length === 0) {
    throw new KukeError('Conflict', 'it has no containers to start', {
      remedy: 'add containers to its manifest and apply it',
    });
  }
  const gone = seen.containers.filter(
    one => !allContainers(cell.spec).some(container => containerdId(cell, container) === one.id),
  );
  if (cell.spec.desiredState === 'stopped') {
    await planGroupThere(kernel, context, cell);
    await checkContainers(kernel, context, cell, () => false);
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

/** Throws Conflict where another cell's netns, attachments and shim are known by the same hash: there are four billion, and it would take those for its own. */
async function refuseSameHash(
  kernel: PluginKernel,
  context: PlanContext,
  { ref }: Cell,
  { hash }: ObservedCell,
): Promise<void> {
  const instance = await kernel.instance();
  const all = async () => Map.groupBy(context.tree.all('Cell'), one => cellHash(instance, one.ref));
  const same = (await context.once('cell:hashes', all)).get(hash) ?? [];
  const other = same.find(one => keyOf(one.ref) !== keyOf(ref));
  if (other === undefined) return;
  throw new KukeError(
    'Conflict',
    `its network namespace would be called ${netnsPath(hash)}, as ${describe(other.ref)}'s is`,
    {
      remedy: 'give it another name',
    },
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
  const { verb, members } = context.options;
  const without = context.options.without?.(cell.ref) ?? [];
  const startsAll = verb === 'start' || context.changes.some(({ path }) => path === 'spec.desiredState');
  const isAsked = ({ id }: ContainerSpec) =>
    startsAll || (verb === 'restart' && (members === undefined || members.includes(id)));
  const fresh = root === undefined || needsNew(kernel, cell, root, seen) || networkLost(cell, seen);
  // The root owns the network namespace: a new root, or a lost namespace, is a new cell to all of its processes.
  const anew = cell.spec.containers.filter(one => fresh || needsNew(kernel, cell, one, seen));
  const starts = (one: ContainerSpec): boolean => {
    const there = seen.of(one);
    if (anew.includes(one) || there === undefined || there.state === 'created' || isLost(there)) return true;
    return isAsked(one) && there.state !== 'running';
  };
  const rootRuns = root !== undefined && (starts(root) || seen.of(root)?.state === 'running');
  const restarts = root !== undefined && starts(root);
  const before = restarts ? (cell.spec.initContainers ?? []) : [];
  const pulls = await planPulls(kernel, context, cell, [...anew, ...before], seen.namespace);
  await refuseDamagedNetworks(kernel, context, cell);

  if (cell.spec.containers.some(starts)) {
    await (await kernel.use('runtime')).requireOciRuntime(cell.spec.runtime);
    await refuseFrozen(kernel, context, cell);
    await refuseUnlimitedAbove(kernel.use, context, cell.ref);
  }
  // A reboot has taken the group of one that has ended for good; the next start makes it.
  const isOver = root !== undefined && !cell.spec.containers.some(one => starts(one) || runs(seen.of(one)));
  const cgroup = isOver ? await planGroupThere(kernel, context, cell) : await planCgroup(kernel.use, context, cell);
  const runsOn = (one: ContainerSpec) => runs(seen.of(one)) && !anew.includes(one);
  const limits = await checkContainers(kernel, context, cell, runsOn);
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
    const first = [cgroup, removed.get(config.id), ...pulls, ...after];
    // To make it ready is to start all of it but its program.
    const watch = ready ? watchOf(one) : undefined;
    return context.plan.add(cell.ref, 'runtime.create', { ...config, ...(ready && { ready }) }, first, watch);
  };
  const awaited = restarts ? await planAwaitCells(kernel, context, cell) : [];
  const starting = startSteps(context, cell, seen);
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
  const ended = restarts ? planEndOthers(context, cell, seen, anew, limited) : [];
  // A process keeps its network until it has ended; and what the kernel refuses leaves that, too, as it was.
  const network = planNetwork(context, cell, seen, restarts, [...limited, ...ended, ...removed.values()]);
  const etc = await planEtcFiles(kernel, context, cell, network.addresses);
  const there = [...network.ready, ...etc.ready, ...ended];
  const ready = [...there, ...(await planInit(there))];
  const start = async (one: ContainerSpec, after: Step[]): Promise<Step> => {
    const params = { namespace: seen.namespace, id: containerdId(cell, one) };
    // A task takes its group along when it goes, so an ended one goes before the next one's is made ready; and not before the network is.
    const isLeft = !anew.includes(one) && seen.of(one) !== undefined;
    const cleared = isLeft ? context.plan.add(cell.ref, 'runtime.clear', params, ready) : undefined;
    const leaf = await planLeaf(kernel, context, cell, one, limits, [cgroup, removed.get(params.id), cleared]);
    const first = [...after, ...ready, created.get(one), leaf];
    return context.plan.add(cell.ref, 'runtime.start', params, first, watchOf(one));
  };
  const rootStarted = restarts ? await start(root, [...removed.values()]) : undefined;
  starting.started(root, rootStarted);
  for (const one of startOrder(cell.spec)) {
    if (isRoot(cell, one) || without.includes(one.id) || !(restarts || starts(one))) continue;
    starting.started(one, await start(one, [rootStarted, ...starting.before(one)]));
  }

  /** Those that run first, one after another, each made anew. What comes after them waits for the last one's end. */
  async function planInit(after: Step[]): Promise<Step[]> {
    let last: Step[] = [...after, ...awaited, ...(before.length > 0 ? [...removed.values()] : [])];
    for (const one of before) {
      const id = containerdId(cell, one);
      const replaced = planReplace(context, cell, seen, id, last);
      const leaf = await planLeaf(kernel, context, cell, one, limits, [cgroup, replaced, ...last]);
      const made = await make(one, [replaced, ...last]);
      const params = { namespace: seen.namespace, id };
      const started = context.plan.add(cell.ref, 'runtime.start', params, [made, leaf], watchOf(one));
      last = [planAwait(context, cell, cell, seen, one, 'completed', [started])];
    }
    return before.length === 0 ? awaited : last;
  }

  /** Of a cell of which there is nothing: its containers are made ready while its network is, which is what takes longest. */
  async function planFirstStart(network: PlannedNetwork, etc: PlannedEtcFiles): Promise<void> {
    const opened = network.opened ? [network.opened] : network.ready;
    const initialised = await planInit([...network.ready, ...etc.ready]);
    const place = before.length === 0 ? opened : initialised;
    let lastMade: Step;
    let rootStarted: Step;
    for (const one of startOrder(cell.spec)) {
      if (without.includes(one.id)) {
        await make(one, [...place, ...etc.there, lastMade]);
        continue;
      }
      const leaf = await planLeaf(kernel, context, cell, one, limits, [cgroup]);
      // The root's brings up the shim of them all.
      lastMade = await make(one, [...place, ...etc.there, leaf, lastMade], true);
      const params = { namespace: seen.namespace, id: containerdId(cell, one) };
      const after = [lastMade, ...network.ready, ...etc.ready, ...initialised, rootStarted, ...starting.before(one)];
      const started = context.plan.add(cell.ref, 'runtime.start', params, after, watchOf(one));
      starting.started(one, started);
      rootStarted ??= started;
    }
  }
}

/** Processes live in a namespace that no path leads to any more: what is attached now would not reach them. */
function networkLost(cell: Cell, seen: ObservedCell): boolean {
  return seen.root?.state === 'running' && !seen.netnsExists && rootOf(cell.spec)?.hostNetwork !== true;
}

/** Notes which starts are planned, and tells what a container's own waits for: those it depends on, as it says. */
function startSteps(context: PlanContext, cell: Cell, seen: ObservedCell) {
  const steps = new Map<string, Step>();
  return {
    started: ({ id }: ContainerSpec, step: Step) => void steps.set(id, step),
    before: ({ dependsOn }: ContainerSpec): Step[] =>
      dependencies(dependsOn).flatMap(({ id, condition }) => {
        const other = cell.spec.containers.find(one => one.id === id);
        const step = steps.get(id);
        if (other === undefined || (step === undefined && seen.of(other)?.exitCode === 0)) return [step];
        return [step, planAwait(context, cell, cell, seen, other, condition, [step])];
      }),
  };
}

/** The root has ended for good, so the cell has: its network goes, and the others are stopped (spec.md §4). */
export async function planSettle(kernel: PluginKernel, context: PlanContext, cell: Cell): Promise<void> {
  const seen = await observeCell(kernel, context, cell);
  // The kernel's count goes with the group.
  if (await isOomUnsaved(kernel, context, cell)) context.keepStatus();
  await planStrayLeaves(kernel, context, cell, seen);
  if (!runs(seen.root) && seen.root?.state !== 'unknown') {
    // It is to be started again in what it lives in, if that is still there.
    if (!seen.netnsExists || !isRootDue(cell, seen)) planStop(context, cell, seen);
    return;
  }
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
  // Also of those whose object is gone already: where containerd was killed in their removal, their files are left.
  const ids = new Set([
    ...seen.containers.map(({ id }) => id),
    ...allContainers(cell.spec).map(one => containerdId(cell, one)),
  ]);
  const removed = [...ids].map(id => planRemove(context, cell, seen, id, stopped));
  context.plan.add(cell.ref, 'store.removeFile', { path: etcFile(cell.ref) }, removed);
  const named = seen.containers.flatMap(one => one.labels[LABELS.container] ?? []);
  const leaves = [...new Set([`${nameOf(cell.ref)}_root`, ...allContainers(cell.spec).map(({ id }) => id), ...named])];
  context.plan.add(cell.ref, 'cgroup.remove', { path: cgroupPath(cell.ref), leaves }, removed);
}
