/** Changes in a subtree of cgroups, by inotify: groups that come and go, and what the kernel tells in cgroup.events. */
import type { Cgroup } from '../../src/host/cgroupfs/cgroup.ts';
import { watchTree } from '../../src/host/folder-watch.ts';
import { parentOf } from './hierarchy.ts';
import { walk } from './walk.ts';

/** `top` itself may come and go as well. A folder's watch tells of the files in it, too (kernfs_notify). */
export function watchCgroups(top: Cgroup, changed: () => void, signal: AbortSignal): void {
  const folders = () => [parentOf(top).path, ...[...walk(top)].map(({ path }) => path)];
  const concerns = (name: string) => !name.includes('.') || name === 'cgroup.events';
  watchTree({ folders, concerns }, changed, signal);
}
