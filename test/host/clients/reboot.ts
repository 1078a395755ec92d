/** What a reboot does to a host with containers, as far as a box can: all of the network that is not on disk goes, and every container. */
import { readdirSync, rmSync } from 'node:fs';
import { hasCode } from '../../../src/host/errno.ts';
import type { Containerd } from '../containerd.ts';
import { output } from '../observe/command.ts';
import { mounts, processes } from '../observe/system.ts';

const TASKS = ['containerd/runc/k8s.io', 'containerd/io.containerd.runtime.v2.task/k8s.io'];

/** Resolves when containerd runs again; `bridge` is the network's. */
export async function reboot(containerd: Containerd, bridge: string): Promise<void> {
  await containerd.kill();
  for (const pid of ofShims()) end(pid);
  const gone = mounts().filter(({ target }) => /^\/run\/(?:containerd\/|netns\/cni-)/.test(target));
  for (const { target } of gone.reverse()) await output('umount', '--lazy', target);
  for (const folder of ['netns', 'containerd/s', 'containerd/fifo', ...TASKS]) {
    const entries = readdirSync(`/run/${folder}`).filter(name => name !== 'outside');
    for (const name of entries) rmSync(`/run/${folder}/${name}`, { recursive: true });
  }
  await output('ip', 'link', 'del', bridge);
  await output('nft', 'flush', 'ruleset');
  await containerd.start();
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error; // with its shim, just now
  }
}

/** Processes of shims and of what runs under them, a parent before its children. */
function ofShims(): number[] {
  const all = processes();
  const found = new Set(all.filter(({ command }) => command[0]?.includes('containerd-shim')).map(({ pid }) => pid));
  for (const parent of found) {
    for (const process of all) if (process.parent === parent) found.add(process.pid);
  }
  return [...found];
}
