/** Changes in a subtree of cgroups, by inotify: groups that come and go, and what the kernel tells in cgroup.events. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Cgroup } from '../../src/host/cgroupfs/cgroup.ts';
import { watchTree } from '../../src/host/folder-watch.ts';
import { parentOf } from './hierarchy.ts';

/** `top` itself may come and go as well. A folder's watch tells of the files in it, too (kernfs_notify). */
export function watchCgroups(top: Cgroup, changed: () => void, signal: AbortSignal): void {
  const above = parentOf(top).path;
  const { dev } = lstatSync(top.root);
  /** What is mounted over one is left out. */
  const isGroup = (path: string) => lstatSync(path, { throwIfNoEntry: false })?.dev === dev;
  const foldersIn = (folder: string): string[] => {
    if (folder === above) return isGroup(top.path) ? [top.path] : [];
    // A directory of cgroupfs has a link for itself, one in its parent, and one for each child: most have none.
    if ((lstatSync(folder, { throwIfNoEntry: false })?.nlink ?? 0) <= 2) return [];
    const entries = readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory());
    return entries.map(({ name }) => join(folder, name)).filter(isGroup);
  };
  const concerns = (name: string) => !name.includes('.') || name === 'cgroup.events';
  watchTree({ tops: [above], foldersIn, concerns }, changed, signal);
}
