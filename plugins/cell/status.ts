/** The state of a cell from what is observed of it (spec.md §6). */
import {
  asKukeError,
  askedOf,
  type ContainerObservation,
  cgroupPath,
  formatPortMapping,
  type KukeError,
  limitStatus,
  type ObserveContext,
  type PluginKernel,
} from 'kuke/plugin';
import { needsNew } from './container-config.ts';
import { askedOfContainer, type EffectiveCell, effectiveCell, inheritedFields, uninheriting } from './effective.ts';
import { type Cell, containerCgroup, containerdId, isRoot, logPath } from './layout.ts';
import { missingNetworks, openSpaces } from './network-steps.ts';
import { type ObservedCell, observeCell, runs, shownState, storedStatus } from './observed.ts';
import { OOM_KILLED, oomOf, oomText } from './oom.ts';
import { type CellStatus, type ContainerSpec, type ContainerStatus, rootOf } from './schema.ts';
import { HELD, isContainerDue, isSpent } from './supervised.ts';

type Termination = NonNullable<ContainerStatus['lastTermination']>;

export async function cellStatus(kernel: PluginKernel, context: ObserveContext, cell: Cell): Promise<CellStatus> {
  let seen: ObservedCell;
  try {
    seen = await observeCell(kernel, context, cell);
  } catch (thrown) {
    return unobserved(cell, asKukeError(thrown));
  }
  const effective = effectiveCell(context, cell) ?? uninheriting(cell);
  const containers: ContainerStatus[] = [];
  for (const one of effective.spec.containers)
    containers.push(await containerStatus(kernel, context, effective, seen, one));
  const initContainers: ContainerStatus[] = [];
  for (const one of effective.spec.initContainers ?? [])
    initContainers.push(await containerStatus(kernel, context, effective, seen, one));
  const due = cell.spec.containers.filter(one => isContainerDue(cell, one, seen)).map(({ id }) => id);
  const state = stateOf(
    cell,
    containers,
    new Set(due),
    missingNetworks(context, cell, seen),
    await openSpaces(kernel, context, cell),
    kernel.settings.isSupervised === true,
  );
  const { lastFailure } = cell.manifest.status ?? {};
  return {
    ...(lastFailure === undefined ? state : afterFailure(state, lastFailure)),
    ...(lastFailure && { lastFailure }),
    cgroupPath: cgroupPath(cell.ref),
    attachments: seen.attachments.map(({ network, interface: name, addresses, gateway, attachmentId, ports }) => ({
      network,
      interface: name,
      addresses,
      ...(gateway && { gateway }),
      attachmentId,
      ...(ports && { ports: ports.map(formatPortMapping) }),
    })),
    containers,
    ...(initContainers.length > 0 && { initContainers }),
    ...(await limitStatus(kernel.use, context, askedOf(cell), { isIdle: !seen.containers.some(runs) })),
  };
}

/** Nobody can say what its containers do: what they did when last seen is no answer. */
function unobserved(cell: Cell, { code, message }: KukeError): CellStatus {
  const before = cell.manifest.status;
  return {
    state: 'Unknown',
    reason: code,
    message,
    cgroupPath: cgroupPath(cell.ref),
    attachments: before?.attachments ?? [],
    containers: cell.spec.containers.map(one => {
      const known = before?.containers?.find(({ id }) => id === one.id);
      return {
        id: one.id,
        ...(isRoot(cell, one) && { root: true }),
        containerdId: containerdId(cell, one),
        cgroupPath: containerCgroup(cell, one),
        logPath: logPath(cell, one),
        state: 'Unknown',
        restarts: known?.restarts ?? 0,
        ...(known?.retries !== undefined && { retries: known.retries }),
        ...(known?.lastTermination && { lastTermination: known.lastTermination }),
        ...(known?.oomKills !== undefined && { oomKills: known.oomKills }),
      };
    }),
  };
}

const RESTARTING = 'Restarting';

async function containerStatus(
  kernel: PluginKernel,
  context: ObserveContext,
  cell: EffectiveCell,
  seen: ObservedCell,
  container: ContainerSpec,
): Promise<ContainerStatus> {
  const there = seen.of(container);
  const { kills, last } = await oomOf(kernel, context, cell, container);
  const wasKilled = last !== undefined && there?.state === 'stopped';
  const defaults = inheritedFields(cell, container);
  const before = storedStatus(cell, container);
  const startedAt = there?.startedAt;
  const oom = wasKilled ? { reason: OOM_KILLED, message: await oomText(context, cell, container, last) } : undefined;
  const held = there && !runs(there) ? heldFor(before?.reason) : undefined;
  const lastTermination = terminationOf(there, before?.lastTermination, oom) ?? before?.lastTermination;
  const { reason, message } = (there?.state === 'stopped' && lastTermination) || {};
  const killed = reason === OOM_KILLED ? { reason, ...(message && { message }) } : undefined;
  return {
    id: container.id,
    ...(isRoot(cell, container) && { root: true }),
    containerdId: containerdId(cell, container),
    cgroupPath: containerCgroup(cell, container),
    logPath: logPath(cell, container),
    state: shownState(there),
    ...(there?.pid && there.state === 'running' && { pid: there.pid }),
    ...(there?.exitCode !== undefined && { exitCode: there.exitCode }),
    ...(startedAt && { startedAt }),
    ...(there?.finishedAt && { finishedAt: there.finishedAt }),
    restarts: before?.restarts ?? 0,
    ...(before?.retries !== undefined && { retries: before.retries }),
    ...healthOf(kernel, container, there, before),
    ...(isSpent(cell, container, there) && { reason: SPENT, message: spentText(there?.exitCode) }),
    ...killed,
    ...held,
    ...(lastTermination && { lastTermination }),
    ...(kills > 0 && { oomKills: kills }),
    ...(await limitStatus(kernel.use, context, askedOfContainer(cell, container), { isIdle: !runs(there) })),
    // Nobody can say so while its space is not known.
    ...(runs(there) &&
      cell.inherited.has(container.id) &&
      needsNew(kernel, cell, container, seen) && { outdated: OUTDATED }),
    ...(defaults && { defaults }),
  };
}

/** As it was seen last; kukeond may have yet to look. */
function healthOf(
  { settings }: PluginKernel,
  { healthcheck }: ContainerSpec,
  there: ContainerObservation | undefined,
  before: ContainerStatus | undefined,
): Pick<ContainerStatus, 'health'> {
  if (healthcheck === undefined || there?.state !== 'running') return {};
  if (before?.health && before.pid === there.pid) return { health: before.health };
  return settings.isSupervised ? { health: 'starting' } : {};
}

/** Whoever looks has not found it well yet, or not any more. */
export const isUnwell = ({ health }: ContainerStatus): boolean => health === 'starting' || health === 'unhealthy';

const OUTDATED = 'it runs as it was made before its manifest or its space was changed: apply its cell';

const heldFor = (reason = '') => (Object.hasOwn(HELD, reason) ? { reason, message: HELD[reason] ?? '' } : undefined);

/** Undefined: it has not ended. */
function terminationOf(
  there: ContainerObservation | undefined,
  known: Termination | undefined,
  oom: Pick<Termination, 'reason' | 'message'> | undefined,
): Termination | undefined {
  if (there?.state !== 'stopped') return undefined;
  const { exitCode, finishedAt: at, startedAt } = there;
  if (exitCode === undefined) return { reason: 'Lost' };
  // The kernel's word of it goes with the group.
  if (oom === undefined && known !== undefined && known.at === at) return known;
  return {
    exitCode,
    reason: exitCode === 0 ? 'Completed' : 'Error',
    ...oom,
    ...(at && { at }),
    ...(startedAt && { startedAt }),
  };
}

const SPENT = 'RestartLimitReached';
const USED_UP = 'its restarts (`restartMaxRetries`) are used up';

const spentText = (exitCode: number | undefined): string =>
  exitCode === undefined ? USED_UP : `exit code ${exitCode}; ${USED_UP}`;

type State = Pick<CellStatus, 'state' | 'reason' | 'message'>;

/**
 * `due`: to be started again. `missing`: the networks that it should be on and is not. `open`: the spaces whose rules somebody has taken away.
 * `isSettled`: by kukeond, without any command.
 */
function stateOf(
  cell: Cell,
  containers: ContainerStatus[],
  due: ReadonlySet<string>,
  missing: string[],
  open: string[],
  isSettled: boolean,
): State {
  const rootSpec = rootOf(cell.spec);
  const root = containers.find(one => one.id === rootSpec?.id);
  if (root === undefined || containers.every(one => one.state === 'Pending')) return { state: 'Pending' };
  const requested = cell.spec.desiredState === 'stopped';
  if (containers.some(one => one.state === 'Unknown')) return { state: 'Unknown', reason: 'RuntimeUnclear' };
  if (root.state === 'Running') return whileRootRuns(containers, due, missing, open);
  const others = containers.filter(one => one !== root && one.state === 'Running');
  const until = isSettled ? 'kukeond sees to it' : 'the next command that changes something';
  const left = others.length > 0 ? `; ${list(others)} still running until ${until}` : '';
  if (requested) return { state: 'Stopped', reason: 'Requested', message: `stopped on request${left}` };
  if (due.has(root.id)) {
    const { exitCode, reason, message: why } = root.lastTermination ?? {};
    const how =
      reason === OOM_KILLED ? `was ${why}` : `ended${exitCode === undefined ? '' : ` with exit code ${exitCode}`}`;
    const message = `the root container \`${root.id}\` ${how}; kukeond starts it again`;
    return { state: 'Failed', reason: RESTARTING, message };
  }
  if (root.reason !== undefined && (root.reason === OOM_KILLED || heldFor(root.reason) !== undefined)) {
    const message = `the root container \`${root.id}\` was ${root.message}${left}`;
    return { state: 'Failed', reason: root.reason, message };
  }
  if (root.exitCode === 0) {
    return { state: 'Stopped', reason: 'Completed', message: `the root container \`${root.id}\` ended well${left}` };
  }
  if (root.state === 'Paused')
    return { state: 'Unknown', reason: 'RootPaused', message: 'the root container is paused' };
  if (root.state === 'Exited' && root.exitCode !== undefined) {
    const spent = root.reason === SPENT ? `; ${USED_UP}` : '';
    const how = `ended with exit code ${root.exitCode}, see ${root.logPath}`;
    const message = `the root container \`${root.id}\` ${how}${spent}${left}`;
    return { state: 'Failed', reason: 'RootExited', message };
  }
  const reason = root.startedAt === undefined ? 'RootNotStarted' : 'RootGone';
  const why =
    root.startedAt === undefined ? 'was not started' : 'does not run any more (a reboot, or its shim has died)';
  return { state: 'Failed', reason, message: `the root container \`${root.id}\` ${why}; start the cell` };
}

/** What runs is as it is; what does not, since it could not be started. */
function afterFailure(state: State, { reason, message }: NonNullable<CellStatus['lastFailure']>): State {
  if (state.state === 'Ready' || state.state === 'Unknown') return state;
  if (state.state === 'Degraded') return { ...state, message: `${state.message}; the last change failed: ${message}` };
  const again = state.reason === RESTARTING ? '; kukeond tries it again' : '';
  return { state: 'Failed', reason, message: `it could not be started: ${message}${again}` };
}

function whileRootRuns(
  containers: ContainerStatus[],
  due: ReadonlySet<string>,
  missing: string[],
  open: string[],
): State {
  const isDone = (one: ContainerStatus) => one.state === 'Exited' && one.exitCode === 0 && !due.has(one.id);
  const down = containers.filter(one => one.state !== 'Running' && !isDone(one));
  const unwell = containers.filter(isUnwell);
  const isWhole = missing.length === 0 && open.length === 0;
  if (down.length === 0 && isWhole && unwell.length === 0) return { state: 'Ready' };
  if (down.length === 0 && isWhole) {
    const how = unwell.map(
      ({ id, health }) => `\`${id}\` is ${health === 'starting' ? 'not healthy yet' : 'unhealthy'}`,
    );
    return { state: 'Degraded', reason: 'ContainersNotReady', message: how.join('; ') };
  }
  const faults = [
    ...(missing.length > 0 ? [`it is without ${missing.join(' and ')}; apply the cell again`] : []),
    ...(open.length > 0 ? [`rules of ${open.join(' and ')} are not in the kernel; apply the cell again`] : []),
    ...(down.length > 0 ? [`${list(down)} not running`] : []),
  ];
  const reason = missing.length > 0 ? 'NetworkMissing' : open.length > 0 ? 'RulesMissing' : 'ContainersNotRunning';
  return { state: 'Degraded', reason, message: faults.join('; ') };
}

function list(containers: ContainerStatus[]): string {
  const names = containers.map(({ id, reason, message, exitCode }) => {
    const how = reason !== undefined ? message : exitCode ? `exit code ${exitCode}` : undefined;
    return how === undefined ? `\`${id}\`` : `\`${id}\` (${how})`;
  });
  return `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'}`;
}
