/** What a reboot does to a host with containers, as far as a box can: all of the network that is not on disk goes, and every container. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { hasCode } from '../../../src/host/errno.ts';
import { output } from '../observe/command.ts';
import { mounts, processes } from '../observe/system.ts';

export interface Client {
  /** Name of the program under which containers run. */
  monitor: string;
  /** Folders, below /run, that a boot finds empty. */
  folders: string[];
  /** Bridges of its networks. */
  bridges: string[];
}

export const CONTAINERD: Omit<Client, 'bridges'> = {
  monitor: 'containerd-shim',
  folders: ['s', 'fifo', 'runc/k8s.io', 'io.containerd.runtime.v2.task/k8s.io'].map(name => `containerd/${name}`),
};

/** The client itself does not run meanwhile. */
export async function reboot({ monitor, folders, bridges }: Client): Promise<void> {
  for (const pid of under(monitor)) kill(pid);
  const isGone = (path: string) =>
    /^\/run\/netns\/(?:cni|netns)-/.test(path) || folders.some(folder => path.startsWith(`/run/${folder}/`));
  const gone = mounts().filter(({ target }) => isGone(target) || target.startsWith('/run/containerd/'));
  for (const { target } of gone.reverse()) await output('umount', '--lazy', target);
  for (const folder of ['netns', ...folders].filter(name => existsSync(`/run/${name}`))) {
    const entries = readdirSync(`/run/${folder}`).filter(name => name !== 'outside');
    for (const name of entries) rmSync(`/run/${folder}/${name}`, { recursive: true });
  }
  for (const bridge of bridges) await output('ip', 'link', 'del', bridge);
  await output('nft', 'flush', 'ruleset');
}

/** One whose parent was killed may have ended with it. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

/** Processes of a program and of what runs under them, a parent before its children. */
function under(program: string): number[] {
  const all = processes();
  const found = new Set(all.filter(({ command }) => command[0]?.includes(program)).map(({ pid }) => pid));
  for (const parent of found) {
    for (const process of all) if (process.parent === parent) found.add(process.pid);
  }
  return [...found];
}
