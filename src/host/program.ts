/** Runs a program with bounds on everything that it may do to its caller: time, output, children that it leaves behind. */
import { existsSync } from 'node:fs';

const STDOUT_LIMIT = 1 << 20;
const STDERR_KEPT = 4096;

// A process in an uninterruptible system call outlives SIGKILL.
const KILL_GRACE_MS = 5000;

export interface Program {
  file: string;
  args?: readonly string[];
  env: Record<string, string>;
  stdin: string;
  /** The root when absent. */
  cwd?: string;
}

export interface Bounds {
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** Bytes; 1 MiB when absent. */
  stdoutLimit?: number;
}

/** How a program ended. `stopped` says why it was killed from here; then `stdout` may be cut off. */
export interface ProgramExit {
  stdout: string;
  /** The last 4 KiB. */
  stderr: string;
  status: number | undefined;
  killedBy: string | undefined;
  stopped: 'timed-out' | 'aborted' | 'flooded' | undefined;
}

/**
 * Runs a program in a process group of its own, to its end and that of its output. At the time limit, on abort, or after more than
 * `stdoutLimit` of output the whole group gets SIGKILL. Throws what posix_spawn(3) fails with (`code`: `EACCES`, `ENOEXEC`, ...).
 */
export async function runProgram(
  { file, args = [], env, stdin, cwd = '/' }: Program,
  { timeoutMs, signal, stdoutLimit = STDOUT_LIMIT }: Bounds,
): Promise<ProgramExit> {
  const child = Bun.spawn([file, ...args], {
    env,
    cwd,
    stdin: new TextEncoder().encode(stdin),
    stdout: 'pipe',
    stderr: 'pipe',
    detached: true,
  });
  const stopping = Promise.withResolvers<void>();
  let stopped: ProgramExit['stopped'];
  const stop = (why: ProgramExit['stopped']) => {
    stopped ??= why;
    killGroup(child);
    stopping.resolve();
  };
  const timer = setTimeout(() => stop('timed-out'), timeoutMs);
  const abort = () => stop('aborted');
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted) abort();

  const stdout: Uint8Array[] = [];
  let size = 0;
  let stderr = new Uint8Array();
  try {
    await Promise.all([
      drain(child.stdout, stopping.promise, chunk => {
        size += chunk.length;
        if (size > stdoutLimit) stop('flooded');
        else stdout.push(chunk);
      }),
      drain(child.stderr, stopping.promise, chunk => {
        stderr = Buffer.concat([stderr, chunk]).subarray(-STDERR_KEPT);
      }),
      Promise.race([child.exited, stopping.promise.then(grace)]),
    ]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    child.unref();
  }
  return {
    stdout: text(Buffer.concat(stdout)),
    stderr: text(stderr),
    status: child.exitCode ?? undefined,
    killedBy: child.signalCode === null ? undefined : String(child.signalCode),
    stopped,
  };
}

async function drain(stream: ReadableStream<Uint8Array>, stop: Promise<void>, take: (chunk: Uint8Array) => void) {
  const reader = stream.getReader();
  stop.then(() => reader.cancel());
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    take(value);
  }
}

function killGroup(child: Bun.Subprocess): void {
  // Once the leader is gone its pid, which is the group's id, may be another process's.
  if ((child.exitCode ?? child.signalCode) !== null && existsSync(`/proc/${child.pid}`)) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // ESRCH: the whole group has ended.
  }
}

function grace(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, KILL_GRACE_MS).unref());
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
