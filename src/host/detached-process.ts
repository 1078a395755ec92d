/** Programs that outlive the one that started them: a containerd, say. */
import { closeSync, constants, openSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { scrubbedEnvironment } from './environment.ts';
import { asSystemError } from './libc.ts';
import { identify, type ProcessIdentity } from './pidfd.ts';

export interface DetachedProcess extends ProcessIdentity {
  /** Its exit status, or 128 + the number of the signal that ended it. Waiting for it keeps nobody from exiting. */
  readonly exited: Promise<number>;
}

/**
 * Starts a program in a session of its own, with no terminal, in `/`, with a scrubbed environment and `env`. What it writes goes to the
 * end of `log` (made with mode 0640; a symbolic link is refused). `command[0]` is an absolute path. No descriptor of ours is
 * inherited, nor a priority above the usual one. A program that cannot be started throws with the kernel's word.
 */
export function startDetached(
  command: readonly string[],
  options: { log: string; env?: Record<string, string> },
): DetachedProcess {
  const [program] = command;
  if (!program?.startsWith('/')) throw new RangeError(`not the absolute path of a program: ${program}`);
  const log = openLog(options.log);
  try {
    const child = asUsual(() =>
      Bun.spawn([...command], {
        cwd: '/',
        detached: true, // setsid(2)
        env: scrubbedEnvironment(options.env),
        stdio: ['ignore', log, log],
      }),
    );
    child.unref();
    // Nobody has waited for the child yet, so it is there, be it as a zombie.
    const identity = identify(child.pid);
    if (identity === undefined) throw new Error(`${program} was gone before it could be identified`);
    return { ...identity, exited: child.exited };
  } catch (error) {
    throw asSystemError(error, program);
  } finally {
    closeSync(log);
  }
}

/** Of this thread, whose nice value the child has from its first moment on: setpriority(2). */
function asUsual<T>(start: () => T): T {
  const own = getPriority();
  if (own >= 0) return start();
  setPriority(0);
  try {
    return start();
  } finally {
    setPriority(own);
  }
}

function openLog(path: string): number {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;
  try {
    return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o640);
  } catch (error) {
    throw asSystemError(error, path);
  }
}
