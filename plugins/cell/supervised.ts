/** What a cell tells whoever keeps it running, and what of that goes into its status (docs/supervision.md). */
import {
  type ContainerObservation,
  dependencies,
  type HealthCheck,
  isDue,
  type Member,
  type MemberNotes,
  type ObserveContext,
  type PluginKernel,
  type Supervised,
  WAITING,
} from 'kuke/plugin';
import { cellBefore } from './await-steps.ts';
import { type Cell, containerdId, isRoot, netnsPath } from './layout.ts';
import { type ObservedCell, observeCell, observeContainers, runs, shownState, storedStatus } from './observed.ts';
import { oomOf, oomText } from './oom.ts';
import { probeOnce, timesOf } from './probe.ts';
import { type ContainerSpec, type ContainerStatus, rootOf } from './schema.ts';

/** Why a container is not started again: it was stopped for it, or it has gone, and nobody knows how. */
export const HELD: Readonly<Record<string, string>> = {
  Unhealthy: 'stopped, for its health check failed',
  Lost: 'ended by something that nobody has seen, its shim’s death perhaps',
  [WAITING]: 'not started yet, for what it depends on is not as it is to be',
};

export const isWanted = ({ spec }: Cell): boolean => spec.desiredState !== 'stopped' && spec.containers.length > 0;

/** It has ended, and is to be started again. */
export function isContainerDue(cell: Cell, container: ContainerSpec, seen: ObservedCell): boolean {
  const there = seen.of(container);
  if (!isWanted(cell) || there?.state !== 'stopped') return false;
  const stored = storedStatus(cell, container);
  const { exitCode } = there;
  return isDue({ ...policyOf(container, stored), ...(exitCode !== undefined && { exitCode }) }, stored?.retries ?? 0);
}

/** It would be started again, had it not been so too often. */
export function isSpent(cell: Cell, container: ContainerSpec, there: ContainerObservation | undefined): boolean {
  const { restartPolicy: policy = 'never', restartMaxRetries = Number.POSITIVE_INFINITY } = container;
  if (!isWanted(cell) || there?.state !== 'stopped' || restartMaxRetries === 0) return false;
  const isAsked = policy === 'always' || (policy === 'on-failure' && there.exitCode !== 0);
  return isAsked && (storedStatus(cell, container)?.retries ?? 0) >= restartMaxRetries;
}

export function isRootDue(cell: Cell, seen: ObservedCell): boolean {
  const root = rootOf(cell.spec);
  return root !== undefined && isContainerDue(cell, root, seen);
}

function policyOf({ restartPolicy: policy = 'never', restartMaxRetries }: ContainerSpec, stored?: ContainerStatus) {
  return {
    policy,
    ...(restartMaxRetries !== undefined && { maxRetries: restartMaxRetries }),
    ...(stored?.reason !== undefined && Object.hasOwn(HELD, stored.reason) && { heldFor: stored.reason }),
  };
}

export async function superviseCell(kernel: PluginKernel, context: ObserveContext, cell: Cell): Promise<Supervised> {
  const seen = await observeContainers(kernel, context, cell);
  return {
    isWanted: isWanted(cell),
    autoDelete: cell.spec.autoDelete === true,
    after: dependencies(cell.spec.dependsOn).map(({ id, condition }) => ({ ref: cellBefore(cell, id), condition })),
    ...(runs(seen.root) ? { hasPlace: true, isOpen: true } : await leftOf(kernel, context, cell)),
    members: await Promise.all(cell.spec.containers.map(one => memberOf(kernel, context, cell, seen, one))),
  };
}

/** Of one whose root does not run. */
async function leftOf(
  kernel: PluginKernel,
  context: ObserveContext,
  cell: Cell,
): Promise<Pick<Supervised, 'hasPlace' | 'isOpen'>> {
  const { netnsExists, attachments, containers } = await observeCell(kernel, context, cell);
  const othersRun = containers.some(runs);
  return {
    hasPlace: rootOf(cell.spec)?.hostNetwork === true ? othersRun : netnsExists,
    isOpen: netnsExists || attachments.length > 0 || othersRun,
  };
}

type Seen = Awaited<ReturnType<typeof observeContainers>>;

const STATES = {
  created: 'pending',
  running: 'running',
  paused: 'running',
  stopped: 'ended',
  unknown: 'unknown',
} as const;

async function memberOf(
  kernel: PluginKernel,
  context: ObserveContext,
  cell: Cell,
  seen: Seen,
  container: ContainerSpec,
): Promise<Member> {
  const there = seen.of(container);
  const stored = storedStatus(cell, container);
  const check = checkOf(kernel, cell, seen, container);
  const { last } = there?.state === 'stopped' ? await oomOf(kernel, context, cell, container) : {};
  return {
    id: container.id,
    isRoot: isRoot(cell, container),
    container: { namespace: seen.namespace, id: containerdId(cell, container) },
    state: there === undefined ? 'pending' : STATES[there.state],
    ...(there?.pid !== undefined && { pid: there.pid }),
    ...(there?.startedAt !== undefined && { startedAt: there.startedAt }),
    ...(there?.state === 'stopped' && there.exitCode !== undefined && { exitCode: there.exitCode }),
    ...(last && { killed: await oomText(context, cell, container, last) }),
    ...policyOf(container, stored),
    after: dependencies(container.dependsOn),
    ...(check && { check }),
    isStored:
      stored?.state === shownState(there) &&
      stored.exitCode === there?.exitCode &&
      stored.finishedAt === there?.finishedAt,
    ...(isSeenWell(stored, there) && { wasHealthy: true }),
    restarts: stored?.restarts ?? 0,
    retries: stored?.retries ?? 0,
  };
}

const isSeenWell = (stored: ContainerStatus | undefined, there: ContainerObservation | undefined): boolean =>
  stored?.health === 'healthy' && stored.pid === there?.pid && stored.startedAt === there?.startedAt;

function checkOf(
  kernel: PluginKernel,
  cell: Cell,
  { namespace, hash }: Seen,
  container: ContainerSpec,
): HealthCheck | undefined {
  const { healthcheck: check, onUnhealthy = 'none' } = container;
  if (check === undefined) return undefined;
  const netns = rootOf(cell.spec)?.hostNetwork === true ? undefined : netnsPath(hash);
  const at = { namespace, id: containerdId(cell, container) };
  const key = JSON.stringify(check);
  return { key, ...timesOf(check), onUnhealthy, probe: signal => probeOnce(kernel, at, netns, check, signal) };
}

/** The cell with these in its status. */
export function noteMembers(cell: Cell, notes: ReadonlyMap<string, MemberNotes>): Cell {
  const { status } = cell.manifest;
  if (status === undefined) return cell;
  const containers = status.containers.map(one => noted(one, notes.get(one.id)));
  return { ...cell, manifest: { ...cell.manifest, status: { ...status, containers } } };
}

function noted(status: ContainerStatus, notes: MemberNotes | undefined): ContainerStatus {
  if (notes === undefined) return status;
  const { retries: _, health: __, ...rest } = status;
  const { restarts, retries, health, pid, heldFor } = notes;
  return {
    ...rest,
    restarts,
    ...(retries > 0 && { retries }),
    ...(health && { health }),
    ...(pid !== undefined && { pid }),
    ...(heldFor !== undefined && { reason: heldFor }),
  };
}
