/** Steps that wait: for an init container's end, for a container that another one depends on, for a cell that comes before this one. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import {
  type Added,
  type Condition,
  defineOperation,
  dependencies,
  describe,
  KukeError,
  type Operation,
  type PlanContext,
  type PluginKernel,
  type Remedy,
  type ResourceRef,
  shellQuote,
} from 'kuke/plugin';
import { type Cell, containerdId, logPath, netnsPath } from './layout.ts';
import { observeCell } from './observed.ts';
import { type Check, probeOnce, timesOf } from './probe.ts';
import { type ContainerSpec, rootOf } from './schema.ts';

export interface AwaitParams {
  namespace: string;
  /** containerd's. */
  id: string;
  /** As the manifest has it. */
  container: string;
  condition: Exclude<Condition, 'started'>;
  logPath: string;
  /** Of `healthy`. */
  check?: Check;
  /** Absent: the host's. */
  netns?: string;
}

declare module 'kuke/plugin' {
  interface KukeOperations {
    /** Waits until a container has ended with 0, or its health check is well. */
    'cell.await': { params: AwaitParams; result: void };
    /** The same for a container of a cell that comes before: others have the lock meanwhile. */
    'cell.awaitCell': { params: AwaitParams; result: void };
  }
}

/** Of a container that is to come to its end; the lock is held meanwhile. */
const COMPLETION_LIMIT_MS = 600_000;
/** The first pauses between looks, which grow up to the interval of the check. */
const FIRST_PAUSE_MS = 100;

type Step = Added<unknown> | undefined;

type Waiting = Pick<Operation<'cell.await'>, 'apply' | 'explain'>;

const waiting = (kernel: PluginKernel): Waiting => ({
  apply: (params, { signal, progress }) => {
    progress(`until \`${params.container}\` ${params.condition === 'healthy' ? 'is healthy' : 'has ended'}`);
    return params.condition === 'healthy' ? untilHealthy(kernel, params, signal) : untilDone(kernel, params, signal);
  },
  explain: params => explained(params),
});

export const awaiting = (kernel: PluginKernel) => defineOperation({ type: 'cell.await', ...waiting(kernel) });

export const awaitingCell = (kernel: PluginKernel) =>
  defineOperation({ type: 'cell.awaitCell', ahead: 'wait', ...waiting(kernel) });

async function untilDone(kernel: PluginKernel, params: AwaitParams, signal: AbortSignal): Promise<void> {
  const { namespace, id, container } = params;
  const limit = AbortSignal.timeout(COMPLETION_LIMIT_MS);
  let exitCode: number | undefined;
  try {
    ({ exitCode } = await (await kernel.use('runtime')).wait({ namespace, id }, AbortSignal.any([signal, limit])));
  } catch (thrown) {
    if (signal.aborted || !limit.aborted) throw thrown;
    throw new KukeError('TimedOut', `\`${container}\` has not ended within ${COMPLETION_LIMIT_MS / 60_000} minutes`);
  }
  if (exitCode === 0) return;
  const how = exitCode === undefined ? 'has gone, and nobody knows how it ended' : `ended with exit code ${exitCode}`;
  const words = lastWords(params.logPath);
  throw new KukeError('Failed', `\`${container}\` ${how}${words === '' ? '' : `; it said: ${words}`}`, {
    // That of a cell that could not be made goes with it.
    remedy: `mend the container, then try again; its log, if its cell was there before, is ${params.logPath}`,
  });
}

async function untilHealthy(kernel: PluginKernel, params: AwaitParams, signal: AbortSignal): Promise<void> {
  const { namespace, id, container, check, netns } = params;
  if (check === undefined) return;
  const { intervalMs, timeoutMs, startPeriodMs, retries } = timesOf(check);
  const runtime = await kernel.use('runtime');
  const ended = new AbortController();
  const over = new AbortController();
  const end = runtime.wait({ namespace, id }, AbortSignal.any([signal, over.signal])).then(() => ended.abort());
  end.catch(() => {});
  try {
    const either = AbortSignal.any([signal, ended.signal]);
    const start = performance.now();
    const limitMs = startPeriodMs + retries * (intervalMs + timeoutMs);
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, intervalMs)) {
      const { ok, message } = await probeOnce(kernel, { namespace, id }, netns, check, either);
      if (ok) return;
      if (performance.now() - start >= limitMs)
        throw new KukeError('TimedOut', `\`${container}\` does not become healthy: ${message}`, {
          remedy: `see ${params.logPath}; give its healthcheck a longer startPeriod, or mend it`,
        });
      await paused(pause, either);
    }
  } catch (thrown) {
    if (signal.aborted || !ended.signal.aborted) throw thrown;
    throw new KukeError('Failed', `\`${container}\` ended before it was healthy`, { remedy: `see ${params.logPath}` });
  } finally {
    over.abort();
  }
}

async function paused(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

const MOST_WORDS = 300;

/** The end of what it wrote, in one line: its log goes with a cell that could not be made. */
function lastWords(path: string): string {
  try {
    const fd = openSync(path, 'r');
    try {
      const { size } = fstatSync(fd);
      const bytes = Buffer.alloc(Math.min(size, MOST_WORDS));
      readSync(fd, bytes, 0, bytes.length, size - bytes.length);
      return bytes.toString().trim().replace(/\s+/g, ' ');
    } finally {
      closeSync(fd);
    }
  } catch {
    return '';
  }
}

function explained({ namespace, id, condition, check, netns }: AwaitParams): string {
  if (condition === 'completed')
    return `while ctr -n ${shellQuote(namespace)} tasks ls | grep -q ${shellQuote(`^${id} .*RUNNING`)}; do sleep 1; done`;
  const { host = '127.0.0.1', port = 0 } = check?.http ?? check?.tcp ?? {};
  const inside = netns === undefined ? '' : `nsenter --net=${shellQuote(netns)} `;
  const look =
    check?.exec !== undefined
      ? `ctr -n ${shellQuote(namespace)} tasks exec --exec-id health ${shellQuote(id)} ${check.exec.command.map(shellQuote).join(' ')}`
      : check?.http !== undefined
        ? `${inside}curl -fs -o /dev/null ${shellQuote(`http://${host}:${port}${check.http.path ?? '/'}`)}`
        : `${inside}nc -z ${shellQuote(host)} ${port}`;
  return `until ${look}; do sleep 1; done`;
}

/** Waits until a container of a cell, or of another one that comes before it, is as `condition` says. Its having been started is what the step after it waits for anyway. */
export function planAwait(
  context: PlanContext,
  cell: Cell,
  of: Cell,
  { namespace, hash }: { namespace: string; hash: string },
  container: ContainerSpec,
  condition: Condition,
  after: readonly Step[],
): Step {
  if (condition === 'started' || (condition === 'healthy' && container.healthcheck === undefined)) return undefined;
  const hostNetwork = rootOf(of.spec)?.hostNetwork === true;
  const params: AwaitParams = {
    namespace,
    id: containerdId(of, container),
    container: container.id,
    condition,
    logPath: logPath(of, container),
    ...(condition === 'healthy' && container.healthcheck && { check: container.healthcheck }),
    ...(!hostNetwork && { netns: netnsPath(hash) }),
  };
  return context.plan.add(cell.ref, of === cell ? 'cell.await' : 'cell.awaitCell', params, after);
}

/** One that a cell depends on: a sibling in its stack. */
export const cellBefore = ({ ref }: Cell, name: string): ResourceRef => ({
  kind: 'Cell',
  path: [...ref.path.slice(0, -1), name],
});

export const cellsBefore = (cell: Cell): ResourceRef[] =>
  dependencies(cell.spec.dependsOn).map(({ id }) => cellBefore(cell, id));

/** Waits for the cells that this one depends on, unless whoever plans has waited by itself. Throws NotFound and Conflict for one that it would wait for in vain. */
export async function planAwaitCells(kernel: PluginKernel, context: PlanContext, cell: Cell): Promise<Step[]> {
  const steps: Step[] = [];
  // It ran already: what was stopped or taken away since keeps nobody from running again, after a reboot say.
  if (context.options.without !== undefined) return steps;
  for (const { id, condition } of dependencies(cell.spec.dependsOn)) {
    const ref = cellBefore(cell, id);
    const other = context.tree.find(ref) as Cell | undefined;
    const vain = (code: 'NotFound' | 'Conflict', why: string, remedy: Remedy) =>
      new KukeError(code, `it depends on ${describe(ref)}, which ${why}`, { field: 'spec.dependsOn', remedy });
    if (other === undefined) throw vain('NotFound', 'is not there', 'apply that one too, or take it out of dependsOn');
    const seen = await observeCell(kernel, context, other);
    const hasRun = seen.root !== undefined && seen.root.state !== 'created';
    const { exitCode } = seen.root ?? {};
    // One that has ended by itself was started all the same.
    if (condition === 'started' && other.spec.desiredState !== 'stopped' && exitCode !== undefined) continue;
    if (!hasRun || (condition !== 'completed' && seen.root?.state !== 'running'))
      throw vain('Conflict', 'does not run', words => `start it${words(`: \`kuke start cell ${id}\``, ' first')}`);
    // Of what has ended before a reboot, the runtime knows nothing any more.
    if (condition === 'completed' && exitCode === 0) continue;
    const root = rootOf(other.spec);
    const asked = condition === 'completed' ? (root === undefined ? [] : [root]) : other.spec.containers;
    for (const one of asked) steps.push(planAwait(context, cell, other, seen, one, condition, []));
  }
  return steps;
}
