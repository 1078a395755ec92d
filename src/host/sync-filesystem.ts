/** Putting what was written on the disk, so that a loss of power does not take it: sync(2), syncfs(2). */
import { closeSync, constants, openSync } from 'node:fs';
import { PATH, scrubbedEnvironment } from './environment.ts';
import { checked, libc } from './libc.ts';

/**
 * Resolves when all that was written to the file system of `path`, or without one to all of them, is on its disk. That may take seconds:
 * so a program of coreutils or busybox waits for it, and this process only where there is none. Rejects with what the kernel says: EIO, ENOSPC.
 */
export async function syncFilesystem(path?: string, program = Bun.which('sync', { PATH })): Promise<void> {
  if (program === null) return path === undefined ? libc().sync() : syncHere(path);
  const child = Bun.spawn([program, ...(path === undefined ? [] : ['-f', path])], {
    cwd: '/',
    env: scrubbedEnvironment(),
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
  });
  const [words, status] = await Promise.all([child.stderr.text(), child.exited]);
  if (status !== 0) throw new Error(words.trim() || `sync: exit status ${status}`);
}

function syncHere(path: string): void {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    checked('syncfs', libc().syncfs(fd), path);
  } finally {
    closeSync(fd);
  }
}
