/** Programs that outlived whoever started them for an attachment: who is killed cannot end its own. */
import { readdirSync, readFileSync } from 'node:fs';
import { hasCode } from '../host/errno.ts';
import { openProcess } from '../host/pidfd.ts';

/** Ends every plugin that still works on an attachment. */
export function endPlugins(containerId: string, signal: AbortSignal): Promise<void> {
  return endOrphans({ CNI_CONTAINERID: containerId }, signal);
}

/**
 * Ends, with SIGKILL, every process that has these variables in its environment, and waits for its end. Children of this process are
 * spared: it looks after them itself.
 */
export async function endOrphans(variables: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<void> {
  const wanted = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  const running = readdirSync('/proc').filter(name => /^\d+$/.test(name) && isOrphan(name, wanted));
  await Promise.all(running.map(pid => end(pid, wanted, signal)));
}

function isOrphan(pid: string, wanted: readonly string[]): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
    return wanted.every(variable => environment.includes(variable)) && ![pid, parentOf(pid)].includes(`${process.pid}`);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EACCES')) return false; // it has ended meanwhile, or is somebody else's
    throw error;
  }
}

/** proc_pid_stat(5): the fourth field; the second one, in parentheses, may hold anything. */
function parentOf(pid: string): string | undefined {
  return readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ')[1];
}

async function end(pid: string, wanted: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  using orphan = openProcess(Number(pid));
  // Looked at once more, now that the descriptor holds on to the process: the pid may have been given to another one.
  if (orphan === undefined || !isOrphan(pid, wanted)) return;
  orphan.signal('SIGKILL');
  await orphan.exited(signal);
}
