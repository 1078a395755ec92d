/** One look at a container by its health check: a program in it, or a port of the cell (docs/supervision.md). */
import { closeSync, openSync } from 'node:fs';
import {
  asKukeError,
  type ContainerParams,
  durationMs,
  type ExecParams,
  type ExecProcess,
  type NetworkProbe,
  type PluginKernel,
  type ProbeResult,
  type RuntimeBackend,
} from 'kuke/plugin';
import type { ContainerSpec } from './schema.ts';

export type Check = NonNullable<ContainerSpec['healthcheck']>;

/** As in Docker. */
const INTERVAL_MS = 30_000;
const TIMEOUT_MS = 30_000;
const RETRIES = 3;

/** In milliseconds. */
export function timesOf({ interval, timeout, retries = RETRIES, startPeriod }: Check) {
  return {
    intervalMs: durationMs(interval ?? '') ?? INTERVAL_MS,
    timeoutMs: durationMs(timeout ?? '') ?? TIMEOUT_MS,
    startPeriodMs: durationMs(startPeriod ?? '') ?? 0,
    retries,
  };
}

/** Rejects with the signal's reason alone; what takes longer than its time limit is a failure. */
export async function probeOnce(
  kernel: PluginKernel,
  container: ContainerParams,
  netns: string | undefined,
  check: Check,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { timeoutMs } = timesOf(check);
  const limit = AbortSignal.timeout(timeoutMs);
  const either = AbortSignal.any([signal, limit]);
  try {
    if (check.exec !== undefined) return await runIn(kernel, container, check.exec.command, either);
    const request = requestOf(check, netns);
    if (request === undefined) return { ok: false, message: 'it has no health check' };
    return await (await kernel.use('network')).probe(request, either);
  } catch (thrown) {
    if (signal.aborted) throw signal.reason;
    if (limit.aborted) return { ok: false, message: `no answer within ${timeoutMs} ms` };
    return { ok: false, message: asKukeError(thrown).message };
  }
}

function requestOf({ http, tcp }: Check, netns: string | undefined): NetworkProbe | undefined {
  const at = http ?? tcp;
  if (at === undefined) return undefined;
  const { host = '127.0.0.1', port } = at;
  const get = http && { path: http.path ?? '/', headers: http.headers ?? {} };
  return { host, port, ...(netns !== undefined && { netns }), ...(get && { http: get }) };
}

async function runIn(
  kernel: PluginKernel,
  container: ContainerParams,
  command: string[],
  signal: AbortSignal,
): Promise<ProbeResult> {
  const runtime = await kernel.use('runtime');
  const running = await execUnheard(runtime, { ...container, command, env: [] });
  const { promise: calledOff, reject } = Promise.withResolvers<never>();
  const end = () => {
    void running.signal('SIGKILL').catch(() => {});
    reject(signal.reason);
  };
  if (signal.aborted) end();
  signal.addEventListener('abort', end, { once: true });
  try {
    const code = await Promise.race([running.exited, calledOff]);
    return { ok: code === 0, message: `\`${command[0]}\` ended with exit code ${code}` };
  } finally {
    signal.removeEventListener('abort', end);
  }
}

/**
 * What it writes goes nowhere. The descriptor stays open until the runtime has done with it, however soon nobody waits any more: the number would
 * be another file's by then, into which the program writes.
 */
async function execUnheard(
  runtime: RuntimeBackend,
  params: Omit<ExecParams, 'stdout' | 'stderr'>,
): Promise<ExecProcess> {
  const nowhere = openSync('/dev/null', 'r+');
  const close = () => closeSync(nowhere);
  try {
    const running = await runtime.exec({ ...params, stdout: nowhere, stderr: nowhere });
    running.exited.then(close, close);
    return running;
  } catch (thrown) {
    close();
    throw thrown;
  }
}
