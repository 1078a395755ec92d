/** Plugins that outlived the runtime which called them: a runtime that is killed cannot end its own. */
import { readdirSync, readFileSync } from 'node:fs';
import { hasCode } from '../host/errno.ts';
import { openProcess } from '../host/pidfd.ts';

/** Ends, with SIGKILL, every process that still works on an attachment, by CNI_CONTAINERID in its environment, and waits for its end. */
export async function endPlugins(containerId: string, signal: AbortSignal): Promise<void> {
  const running = readdirSync('/proc').filter(name => /^\d+$/.test(name) && worksOn(name, containerId));
  await Promise.all(running.map(pid => end(pid, containerId, signal)));
}

function worksOn(pid: string, containerId: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`CNI_CONTAINERID=${containerId}`);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EACCES')) return false; // it has ended meanwhile, or is somebody else's
    throw error;
  }
}

async function end(pid: string, containerId: string, signal: AbortSignal): Promise<void> {
  using plugin = openProcess(Number(pid));
  // Looked at once more, now that the descriptor holds on to the process: the pid may have been given to another one.
  if (plugin === undefined || !worksOn(pid, containerId)) return;
  plugin.signal('SIGKILL');
  await plugin.exited(signal);
}
