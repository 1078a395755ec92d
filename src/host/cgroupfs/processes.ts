/** The processes of a cgroup: who they are, freezing and killing them. */
import { hasCode } from '../errno.ts';
import { openProcess } from '../pidfd.ts';
import { type Cgroup, children, readWords, writeInterface } from './cgroup.ts';
import { waitUntil } from './events.ts';

/** The pids in a cgroup; none if it does not exist. One that this pid namespace does not show is left out. */
export function pids(cgroup: Cgroup, options: { recursive?: boolean } = {}): number[] {
  const below = options.recursive ? children(cgroup).flatMap(child => pids(child, options)) : [];
  return [...ownPids(cgroup), ...below];
}

function ownPids(cgroup: Cgroup): number[] {
  try {
    return readWords(cgroup, 'cgroup.procs')
      .map(Number)
      .filter(pid => pid > 0);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return [];
    throw error;
  }
}

/** Moves a process into the cgroup. EBUSY if that delegates controllers, ESRCH if there is no such process. */
export function enter(cgroup: Cgroup, pid: number): void {
  writeInterface(cgroup, 'cgroup.procs', pid);
}

/** Stops every process in the cgroup and below; resolves when all of them stand still. */
export async function freeze(cgroup: Cgroup, signal?: AbortSignal): Promise<void> {
  writeInterface(cgroup, 'cgroup.freeze', 1);
  await waitUntil(cgroup, events => events.frozen, signal);
}

/** Lets a frozen cgroup run on, unless one above it is frozen too. */
export function thaw(cgroup: Cgroup): void {
  writeInterface(cgroup, 'cgroup.freeze', 0);
}

/** Sends SIGKILL to every process in the cgroup and below, forks included; false if the cgroup does not exist. See `untilEmpty`. */
export async function kill(cgroup: Cgroup, signal?: AbortSignal): Promise<boolean> {
  try {
    writeInterface(cgroup, 'cgroup.kill', 1);
    return true;
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    return killFrozen(cgroup, signal); // no such cgroup, or a kernel before 5.14
  }
}

/**
 * What `kill` does where the kernel has no cgroup.kill: nobody can fork while frozen, and SIGKILL reaches the frozen. One that waits for a
 * device does not stand still before the signal aborts: the others are killed all the same, and nothing stays frozen.
 */
export async function killFrozen(cgroup: Cgroup, signal?: AbortSignal): Promise<boolean> {
  try {
    try {
      await freeze(cgroup, signal);
    } finally {
      for (const pid of pids(cgroup, { recursive: true })) {
        using process = openProcess(pid);
        process?.signal('SIGKILL');
      }
      thaw(cgroup);
    }
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return false;
    throw error;
  }
}

/** Resolves when no process is left in the cgroup and below, or the cgroup has gone. If the signal aborts, the error names who is left. */
export async function untilEmpty(cgroup: Cgroup, signal?: AbortSignal): Promise<void> {
  try {
    await waitUntil(cgroup, events => !events.populated, signal);
  } catch (error) {
    if (!signal?.aborted) throw error;
    const left = pids(cgroup, { recursive: true }).join(', ');
    throw new Error(`${cgroup.path} still has processes: ${left || 'outside this pid namespace'}`, { cause: error });
  }
}
