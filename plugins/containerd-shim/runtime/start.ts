/** Running a container: a new task whose output goes to the container's log. */
import { closeSync, constants, fstatSync, mkdirSync, openSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { asKukeError, type ContainerParams, KukeError, type OciSpec } from 'kuke/plugin';
import { errnoOf, hasCode } from '../../../src/host/errno.ts';
import { systemError } from '../../../src/host/libc.ts';
import { makeAppend } from '../../../src/host/open-elsewhere.ts';
import { parentOf } from '../../../src/host/pidfd.ts';
import { noteStart } from '../../../src/host/rotated-log/keep.ts';
import { type Client, type Container, isGrpcError, type Mount } from '../client/index.ts';
import { type Containerd, inNamespace } from '../containerd.ts';
import { asContainerdError, ifFound } from '../errors.ts';
import { unpackJson } from '../grpc/any.ts';
import { GROUP, LOG_PATH, STARTED_AT } from '../labels.ts';
import { makeInput } from './input.ts';
import { lookUp } from './look-up.ts';
import { ociRuntimeOf, requireOciRuntime } from './oci-runtime.ts';
import { inTurn } from './shim-group.ts';
import { startFailure } from './start-failure.ts';
import { clearStray, isStrayInTheWay } from './stray.ts';
import { endTask } from './task.ts';
import { takeWaiting } from './waiting.ts';

const CLEANUP_INTERVAL_MS = 50;
const CLEANUP_ATTEMPTS = 200;

/** Throws NotFound for a container that is not there or not ours, HostNotReady without its OCI runtime, CommandNotFound, RuntimeFailed; no task is left then. */
export async function startContainer(
  containerd: Containerd,
  { namespace, id }: ContainerParams,
  signal: AbortSignal,
): Promise<{ pid: number }> {
  const ready = takeWaiting(containerd, { namespace, id });
  const started = ready && (await startWaiting(inNamespace(containerd, namespace), ready));
  if (started !== undefined) return started;
  // As `create` names it: asked for meanwhile.
  const own = { snapshotter: containerd.snapshotter, key: id };
  const mounted = inNamespace(containerd, namespace).snapshots.mounts(own);
  mounted.catch(() => {}); // where it is not there, what is below says so
  const { client, container, isOwn, task } = await lookUp(containerd, { namespace, id });
  if (container === undefined || !isOwn) {
    throw new KukeError('NotFound', `there is no container ${id} of ours in ${namespace}`);
  }
  if (task !== undefined) {
    if (task.status === 'RUNNING' || task.status === 'PAUSED' || task.status === 'PAUSING') return { pid: task.pid };
    // One that was made ready by another kuke may be in a namespace that is gone.
    await endTask(client, id, signal);
  }
  const { snapshotter, snapshotKey: key } = container;
  requireOciRuntime(ociRuntimeOf(container));
  const isOwnSnapshot = snapshotter === own.snapshotter && key === own.key;
  const rootfs = await (isOwnSnapshot ? mounted : client.snapshots.mounts({ snapshotter, key }));
  await prepareTask(containerd, namespace, container, rootfs, signal);
  return startTask(client, container);
}

/** Up to the first process, which waits. Throws as `startContainer` does; no task is left then. */
export async function prepareTask(
  containerd: Containerd,
  namespace: string,
  container: Container,
  rootfs: readonly Mount[],
  signal: AbortSignal,
): Promise<void> {
  const client = inNamespace(containerd, namespace);
  const isTerminal = processOf(container)?.terminal === true;
  const log = logOf(container);
  if (signal.aborted) throw asKukeError(signal.reason, 'Cancelled');
  const group = `${namespace}/${container.labels[GROUP] ?? container.id}`;
  const input = await makeInput(containerd, namespace, container);
  const task = { rootfs: [...rootfs], ...input, ...outputs(log, isTerminal) };
  await orUndone(client, container, async () => {
    const pid = await inTurn(group, () => createTask(containerd, namespace, container, task, signal));
    if (isTerminal) appendTo(log, pid);
  });
}

const startTask = (client: Client, container: Container) =>
  orUndone(client, container, () => startRecorded(client, container));

async function startRecorded(client: Client, { id, labels: { [LOG_PATH]: log } }: Container): Promise<{ pid: number }> {
  const startedAt = new Date().toISOString();
  noteRun(log, startedAt);
  const [{ pid }] = await Promise.all([client.tasks.start({ containerId: id }), recordStart(client, id, startedAt)]);
  return { pid };
}

/** What comes in the log is of another run, for who asks for the one before. It is no reason not to run it that this cannot be written. */
function noteRun(log: string | undefined, startedAt: string): void {
  try {
    if (log !== undefined) noteStart(log, Date.parse(startedAt));
  } catch {}
}

/** Undefined: somebody else has taken it away meanwhile, or has started it. */
async function startWaiting(client: Client, container: Container): Promise<{ pid: number } | undefined> {
  return orUndone(client, container, async () => {
    try {
      return await startRecorded(client, container);
    } catch (error) {
      const task = await ifFound(client.tasks.get({ containerId: container.id }));
      if (task === undefined || task.status === 'RUNNING' || task.status === 'PAUSED') return undefined;
      throw error;
    }
  });
}

async function orUndone<T>(client: Client, container: Container, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const failure = startFailure(error, { command: processOf(container)?.args[0] ?? '', image: container.image });
    throw await undo(client, container, failure);
  }
}

/**
 * While containerd cleans up behind a shim that has just died, it knows of no task and refuses a new one all the same. It tells nobody
 * when it is done, so this asks again. So it does for ever after a deletion that was cut off (see `endTask`), which is done once more,
 * and after a creation that was (see stray.ts). A group's shim that has just lost its last task may answer still, and then no more.
 */
async function createTask(
  containerd: Containerd,
  namespace: string,
  container: Container,
  task: Omit<Parameters<Client['tasks']['create']>[0], 'containerId'>,
  signal: AbortSignal,
): Promise<number> {
  const client = inNamespace(containerd, namespace);
  const containerId = container.id;
  for (let attempt = 1; ; attempt++) {
    try {
      const { pid } = await client.tasks.create({ ...task, containerId });
      return pid;
    } catch (error) {
      const isInTheWay = isGrpcError(error, 'ALREADY_EXISTS') || isStrayInTheWay(error) || isShimLeaving(error);
      if (!isInTheWay || attempt === CLEANUP_ATTEMPTS || signal.aborted) throw error;
      if (isStrayInTheWay(error)) await clearStray(containerd, namespace, container);
    }
    if (attempt === 1) await endTask(client, containerId, signal);
    await Bun.sleep(CLEANUP_INTERVAL_MS);
  }
}

// It answers a new one of its group, and has closed its socket before containerd calls it there; or goes with the call under way.
const SHIM_LEAVING =
  /^failed to start shim: .*\bdial unix \S+: connect: (?:no such file|connection refused)|\bttrpc: closed\b/;

const isShimLeaving = (error: unknown) => error instanceof Error && SHIM_LEAVING.test(error.message);

const processOf = ({ spec }: Container): OciSpec['process'] | undefined =>
  ((spec === undefined ? {} : unpackJson(spec)) as Partial<OciSpec>).process;

async function undo(client: Client, container: Container, failure: KukeError): Promise<KukeError> {
  const undone = await Promise.allSettled([
    endTask(client, container.id, new AbortController().signal), // also after Ctrl-C
    recordStart(client, container.id, container.labels[STARTED_AT] ?? ''),
  ]);
  const also = undone.filter(one => one.status === 'rejected');
  return failure.with(
    also.map(({ reason }) => asContainerdError(reason, { step: `undo the start of ${container.id}` })),
  );
}

/** An empty time takes the label away. */
async function recordStart(client: Client, id: string, time: string): Promise<void> {
  const updateMask = { paths: [`labels.${STARTED_AT}`] };
  await client.containers.update({ container: { id, labels: { [STARTED_AT]: time } }, updateMask });
}

/** Made here, so that not everybody may read it. */
function logOf({ id, labels }: Container): string {
  const path = labels[LOG_PATH];
  if (path === undefined) throw new KukeError('RuntimeFailed', `container ${id} has no label ${LOG_PATH}`);
  try {
    makeLog(path);
    return path;
  } catch (error) {
    if (!hasCode(error, 'EISDIR', 'ELOOP', 'ENXIO', 'ENOTDIR', 'EEXIST')) throw error;
    const message = `${path} cannot be its log: ${error instanceof Error ? error.message : error}`;
    throw new KukeError('Conflict', message, { cause: error, remedy: 'move away what is there, then run it again' });
  }
}

/**
 * Where the shim is to write: paths of the log; it appends to what is there. They differ, for where they are the same (and with `file://`
 * they always are) the shim closes the file for both streams when one of them ends, and the last words on stderr are lost (containerd 1.6
 * to 2.1, copyPipes in pkg/process/io.go). A terminal has one stream.
 */
function outputs(log: string, terminal: boolean): { stdout: string; stderr?: string; terminal: boolean } {
  if (terminal) return { stdout: log, terminal };
  return { stdout: log, stderr: `${dirname(log)}/./${basename(log)}`, terminal };
}

/** What the shim copies from a terminal it would write from the beginning of the file on. The first process waits yet, `pid`. */
function appendTo(log: string, pid: number): void {
  try {
    makeAppend(parentOf(pid) ?? pid, log);
  } catch (error) {
    if (!hasCode(error, 'EPERM', 'EACCES')) throw error;
    const message = `the log of a terminal cannot be made to grow: ${error instanceof Error ? error.message : error}`;
    const remedy = 'it needs `sysctl kernel.yama.ptrace_scope` below 3, and CAP_SYS_PTRACE; or leave out `tty`';
    throw new KukeError('RuntimeFailed', message, { cause: error, remedy });
  }
}

function makeLog(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  const { O_WRONLY, O_CREAT, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants;
  const fd = openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o640);
  try {
    if (!fstatSync(fd).isFile()) throw systemError('open', errnoOf('ENXIO'), path); // a pipe that somebody reads
  } finally {
    closeSync(fd);
  }
}
