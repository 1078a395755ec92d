/** The containerd of kuke's own, as the tests of it find, end and replace it. */
import { existsSync, rmSync, symlinkSync } from 'node:fs';
import { basename } from 'node:path';
import '../containerd.ts'; // so that the runner tries every version
import { output } from '../observe/command.ts';
import { mounts, type Process, processes } from '../observe/system.ts';
import { run } from './kuke.ts';

/** All containerds that run. */
export const daemons = (): Process[] =>
  processes().filter(({ command: [program = ''] }) => basename(program) === 'containerd');

export async function killDaemon(): Promise<void> {
  const [{ pid } = { pid: 0 }] = daemons();
  process.kill(pid, 'SIGKILL');
  while (daemons().some(daemon => daemon.pid === pid)) await Bun.sleep(5);
}

/** kuke takes programs from the system's folders alone, so the version under test is put there. */
export function installVersion(): void {
  for (const program of ['containerd', 'containerd-shim-runc-v2']) {
    const path = Bun.which(program);
    const installed = `/usr/local/sbin/${program}`;
    if (path !== null && path !== `/usr/bin/${program}` && !existsSync(installed)) symlinkSync(path, installed);
  }
}

/** uninstall, and what a test has put beside its socket. */
export async function removeDaemon(): Promise<void> {
  await run(['uninstall', '--yes']);
  for (const { target } of mounts().reverse()) {
    if (target.startsWith('/run/containerd/')) await output('umount', target);
  }
  rmSync('/run/containerd', { recursive: true, force: true });
}
