/** Processes by descriptor, so that a re-used pid is never mistaken for the process that was meant. pidfd_open(2), Linux 5.3. */

import { readFileSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { hasCode } from './errno.ts';
import { asSystemError, checked, close, libc } from './libc.ts';
import { readable } from './readable.ts';

// System calls newer than 5.1 have one number on every architecture.
const SYS_pidfd_send_signal = 424;
const SYS_pidfd_open = 434;

/** A process, told apart from a later one with the same pid by its start time: clock ticks since boot, field 22 of proc_pid_stat(5). */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: number;
}

/** A field of /proc/PID/stat behind the command, which is field 2 and may hold spaces and parentheses. */
const fieldOf = (stat: string, field: number) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[field - 3]);

/** The field of /proc/PID/stat that says when the process started. */
export function parseStartTime(stat: string): number {
  const startTime = fieldOf(stat, 22);
  if (!Number.isSafeInteger(startTime) || startTime < 0)
    throw new Error(`not the content of a /proc/PID/stat: ${stat}`);
  return startTime;
}

/** Who has this pid now; undefined if nobody. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = statOf(pid);
  return stat === undefined ? undefined : { pid, startTime: parseStartTime(stat) };
}

/** The pid of a process's parent; undefined if nobody has this pid. */
export function parentOf(pid: number): number | undefined {
  const stat = statOf(pid);
  return stat === undefined ? undefined : fieldOf(stat, 4);
}

/** Of which this process's pids are: `pid:[4026531836]` (pid_namespaces(7)). One of another namespace says nothing here. */
export function pidNamespace(): string {
  return readlinkSync('/proc/self/ns/pid');
}

function statOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return undefined;
    throw asSystemError(error, `/proc/${pid}/stat`);
  }
}

/** An open pidfd (close it with `using` or [Symbol.dispose]). */
export interface ProcessHandle extends Disposable {
  readonly pid: number;
  /** Sends a signal, by name; false if the process has gone. Signal 0 only asks. */
  signal(name: NodeJS.Signals | 0): boolean;
  /** Resolves when the process has ended (a zombie has). Costs no thread and no polling. */
  exited(signal?: AbortSignal): Promise<void>;
}

/** Opens a process; undefined if it has gone. With an identity, one that has since taken over the pid counts as gone too. */
export function openProcess(who: number | ProcessIdentity): ProcessHandle | undefined {
  const pid = typeof who === 'number' ? who : who.pid;
  const fd = openPidfd(pid);
  if (fd === undefined) return undefined;
  // Checked after opening: from here on the descriptor stays with this process, whatever happens to the pid.
  if (typeof who !== 'number' && identify(pid)?.startTime !== who.startTime) {
    close(fd);
    return undefined;
  }
  return {
    pid,
    signal: name => sendSignal(fd, pid, name),
    exited: signal => readable(fd, signal),
    [Symbol.dispose]: () => close(fd),
  };
}

/** A descriptor of a process; undefined if it has gone. */
export function openPidfd(pid: number): number | undefined {
  try {
    return checked('pidfd_open', libc().syscall(SYS_pidfd_open, pid, 0, 0, 0, 0, 0), `pid ${pid}`);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return undefined;
    throw error;
  }
}

function sendSignal(fd: number, pid: number, name: NodeJS.Signals | 0): boolean {
  const number = name === 0 ? 0 : constants.signals[name];
  try {
    checked('pidfd_send_signal', libc().syscall(SYS_pidfd_send_signal, fd, number, 0, 0, 0, 0), `pid ${pid}`);
    return true;
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false;
    throw error;
  }
}
