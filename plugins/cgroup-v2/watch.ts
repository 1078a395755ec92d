/** Changes in a subtree of cgroups, by inotify: groups that come and go, and what the kernel tells in cgroup.events. */
import { type FSWatcher, watch } from 'node:fs';
import type { Cgroup } from '../../src/host/cgroupfs/cgroup.ts';
import { hasCode } from '../../src/host/errno.ts';
import { parentOf } from './hierarchy.ts';
import { walk } from './walk.ts';

/** As in src/host/cgroupfs/events.ts: the watcher loses what follows another change within a millisecond. */
const AGAIN_MS = 20;

/** `top` itself may come and go as well. A folder's watch tells of the files in it, too (kernfs_notify). */
export function watchCgroups(top: Cgroup, changed: () => void, signal: AbortSignal): void {
  const watchers = new Map<string, FSWatcher>();
  const look = () => {
    if (signal.aborted) return;
    try {
      follow(top, watchers, seen);
    } catch {} // no more watches are to be had: what there are still tell
    changed();
  };
  const seen = (name: string | null) => {
    if (name?.includes('.') && name !== 'cgroup.events') return;
    look();
    setTimeout(look, AGAIN_MS).unref();
  };
  follow(top, watchers, seen);
  signal.addEventListener('abort', () => {
    for (const watcher of watchers.values()) watcher.close();
  });
}

function follow(top: Cgroup, watchers: Map<string, FSWatcher>, seen: (name: string | null) => void): void {
  const groups = new Set([parentOf(top).path, ...[...walk(top)].map(({ path }) => path)]);
  for (const [path, watcher] of watchers) {
    if (groups.has(path)) continue;
    watcher.close();
    watchers.delete(path);
  }
  for (const path of groups) {
    if (watchers.has(path)) continue;
    try {
      const watcher = watch(path, (_, name) => seen(name));
      watcher.on('error', () => {}); // the group has gone, and its parent tells of that
      watchers.set(path, watcher);
    } catch (thrown) {
      if (!hasCode(thrown, 'ENOENT')) throw thrown;
    }
  }
}
