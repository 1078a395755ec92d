import { readFileSync } from 'node:fs';

/** Resolves when the kernel lists the process as one that waits for a lock of flock(2): proc_locks(5). */
export async function queued(pid: number): Promise<void> {
  const waiter = new RegExp(`-> FLOCK .* ${pid} `);
  while (!waiter.test(readFileSync('/proc/locks', 'utf8'))) await new Promise(setImmediate);
}
