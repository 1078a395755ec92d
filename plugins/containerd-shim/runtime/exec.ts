/** One more process in a running container: started, fed, heard, and taken away without a trace (containerd's Tasks.Exec). */
import {
  asKukeError,
  type ExecParams,
  type ExecProcess,
  KukeError,
  type OciSpec,
  type TerminalSize,
} from 'kuke/plugin';
import { SystemError } from '../../../src/host/errno.ts';
import { type Client, ociProcess } from '../client/index.ts';
import type { Containerd } from '../containerd.ts';
import { asContainerdError, ifFound } from '../errors.ts';
import { unpackJson } from '../grpc/any.ts';
import { execFailure } from './exec-failure.ts';
import { type ExecPipes, makeExecPipes } from './exec-pipes.ts';
import { processFor } from './exec-process.ts';
import { type ExecRecord, endLeftExecs, noteExec } from './exec-records.ts';
import { lookUp } from './look-up.ts';
import { SIGKILL, SIGPIPE, signalNumber } from './signals.ts';
import { ifThere } from './task.ts';

/** How long a process that nobody listens to has to end by SIGPIPE, before SIGKILL. */
const UNREAD_GRACE_MS = 1000;

/** How long the shim has to take the order to take a process away. */
const ORDER_TAKEN_MS = 500;

/** In containerd's words. */
interface ExecIds {
  containerId: string;
  execId: string;
}

/** How long what was called off has to be taken away; then that is left to the next exec. */
const CALLED_OFF_MS = 2000;

/** What earlier kukes that were killed have left in containers is ended first. */
export async function execIn(
  containerd: Containerd,
  params: ExecParams,
  signal = new AbortController().signal,
): Promise<ExecProcess> {
  if (signal.aborted) throw asKukeError(signal.reason, 'Cancelled');
  const calledOff = Promise.withResolvers<'called off'>();
  const callOff = () => void setTimeout(calledOff.resolve, CALLED_OFF_MS, 'called off');
  signal.addEventListener('abort', callOff, { once: true });
  try {
    const process = await Promise.race([setUp(containerd, params, signal), calledOff.promise]);
    if (process !== 'called off') return process;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', callOff);
  }
  throw asKukeError(signal.reason, 'Cancelled');
}

async function setUp(containerd: Containerd, params: ExecParams, signal: AbortSignal): Promise<ExecProcess> {
  await endLeftExecs(containerd, params, signal);
  const { client, container, isOwn, task } = await lookUp(containerd, params, signal);
  if (container === undefined || !isOwn) {
    throw new KukeError('NotFound', `there is no container ${params.id} of ours in ${params.namespace}`);
  }
  if (task?.status !== 'RUNNING') {
    const state = task === undefined ? 'is not running' : `is ${task.status.toLowerCase()}`;
    throw new KukeError('Conflict', `container ${params.id} ${state}`);
  }
  const spec = (container.spec === undefined ? {} : unpackJson(container.spec)) as OciSpec;
  const process = processFor(spec, params, task.pid);
  signal.throwIfAborted();
  const record = noteExec({ socket: containerd.socket, namespace: params.namespace, id: params.id });
  const ids: ExecIds = { containerId: params.id, execId: record.execId };
  let pipes: ExecPipes | undefined;
  try {
    pipes = makeExecPipes(record.folder, params);
    const { stdin = '', stdout, stderr = '' } = pipes.paths;
    const terminal = params.terminal !== undefined;
    const streams = { terminal, stdin, stdout, stderr };
    await client.tasks.exec({ ...ids, spec: ociProcess(process), ...streams }, { signal });
    const exit = client.tasks.wait(ids, { timeoutMs: undefined });
    exit.catch(() => {}); // awaited below; the start may fail before
    await client.tasks.start(ids, { signal });
    signal.throwIfAborted();
    return started(client, ids, { pipes, exit, terminal: params.terminal, record });
  } catch (error) {
    // The FIFOs are held open until then: a shim that is still opening them can end nothing.
    if (await discard(client, ids)) record.forget();
    else record.leave();
    pipes?.[Symbol.dispose]();
    throw execFailure(error, params.command[0] ?? '');
  }
}

interface Running {
  pipes: ExecPipes;
  exit: Promise<{ exitStatus: number }>;
  terminal: TerminalSize | undefined;
  record: ExecRecord;
}

function started(client: Client, ids: ExecIds, { pipes, exit, terminal, record }: Running): ExecProcess {
  const { tasks } = client;
  const kill = (signal: number) => ifThere(tasks.kill({ ...ids, signal }));
  const resize = async ({ columns: width, rows: height }: { columns: number; rows: number }) => {
    await ifThere(tasks.resizePty({ ...ids, width, height }));
  };
  const ended = new AbortController();
  const unheard = async () => {
    await kill(SIGPIPE).catch(() => {});
    const late = setTimeout(() => void kill(SIGKILL).catch(() => {}), UNREAD_GRACE_MS);
    ended.signal.addEventListener('abort', () => clearTimeout(late), { once: true });
  };
  const closeStdin = () => ifThere(tasks.closeIo({ ...ids, stdin: true }));
  const exited = async () => {
    const copied = pipes.copy(ended.signal, { unheard, closeStdin });
    copied.catch(() => {}); // awaited below
    try {
      // What cannot be written is told at once: the disk is full, say.
      const { exitStatus } = await Promise.race([exit, copied.then(() => exit)]);
      ended.abort();
      const isWhole = await copied;
      // What cannot be taken away now is left to the next exec.
      const deleted = ifThere(tasks.deleteProcess(ids)).then(record.forget, record.leave);
      await (isWhole ? deleted : ordered(deleted));
      return exitStatus;
    } catch (error) {
      ended.abort();
      if (await discard(client, ids)) record.forget();
      else record.leave();
      // Where output or input broke, containerd has no part in it.
      throw error instanceof SystemError ? asKukeError(error) : asContainerdError(error);
    } finally {
      pipes[Symbol.dispose]();
    }
  };
  const size = terminal === undefined ? Promise.resolve() : resize(terminal);
  return {
    exited: Promise.all([exited(), size.catch(() => {})]).then(([code]) => code),
    signal: async name => {
      await kill(signalNumber(name));
    },
    resize,
  };
}

/**
 * Ends it if it runs, and takes it away. False: that could not be done now, and is left to the next exec, which finds its record. Resolves
 * when the order is given: the shim may be long in carrying it out.
 */
export async function discard({ tasks }: Client, ids: ExecIds): Promise<boolean> {
  try {
    // One that was never started cannot be killed, and has no end to wait for.
    if (await ifThere(tasks.kill({ ...ids, signal: SIGKILL }))) await ifFound(tasks.wait(ids));
    await ordered(ifThere(tasks.deleteProcess(ids)));
    return true;
  } catch {
    return false;
  }
}

/** Where something in the background has its pipes, the shim gives that seconds before it closes them, and needs nobody for it. */
export async function ordered(deletion: Promise<unknown>): Promise<void> {
  deletion.catch(() => {});
  await Promise.race([deletion, Bun.sleep(ORDER_TAKEN_MS)]);
}
