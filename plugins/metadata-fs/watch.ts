/** Changes of what lies below the run path, by inotify: each folder that may hold a manifest is watched. */
import { type FSWatcher, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { KukeError } from 'kuke/plugin';
import { hasCode } from '../../src/host/errno.ts';

/** Bun's watcher loses what follows another change within a millisecond, so it is looked a second time after each. */
const AGAIN_MS = 20;

/** Throws NotInitialised where there is no such folder yet. */
export async function watchManifests(root: string, changed: () => void, signal: AbortSignal): Promise<void> {
  const watchers = new Map<string, FSWatcher>();
  const look = () => {
    if (signal.aborted) return;
    try {
      follow(root, watchers, seen);
    } catch {} // no more watches are to be had: what there are still tell
    changed();
  };
  const seen = (name: string | null) => {
    if (name?.startsWith('.')) return; // temporary files, and `.kuke`
    look();
    setTimeout(look, AGAIN_MS).unref();
  };
  follow(root, watchers, seen);
  if (watchers.size === 0) throw new KukeError('NotInitialised', `${root} is not there`);
  signal.addEventListener('abort', () => {
    for (const watcher of watchers.values()) watcher.close();
  });
}

/** Watches what is new, and lets go of what is gone. */
function follow(root: string, watchers: Map<string, FSWatcher>, seen: (name: string | null) => void): void {
  const folders = new Set(foldersIn(root));
  for (const [folder, watcher] of watchers) {
    if (folders.has(folder)) continue;
    watcher.close();
    watchers.delete(folder);
  }
  for (const folder of folders) {
    if (watchers.has(folder)) continue;
    try {
      const watcher = watch(folder, (_, name) => seen(name));
      watcher.on('error', () => {}); // the folder has gone, and its parent tells of that
      watchers.set(folder, watcher);
    } catch (thrown) {
      if (!hasCode(thrown, 'ENOENT')) throw thrown;
    }
  }
}

/** The folder and those below it, save for hidden ones. */
function* foldersIn(folder: string): Generator<string> {
  let entries: ReturnType<typeof read>;
  try {
    entries = read(folder);
  } catch {
    return; // it has gone, or is not ours to read
  }
  yield folder;
  for (const entry of entries) {
    if (entry.isDirectory() && !entry.name.startsWith('.')) yield* foldersIn(join(folder, entry.name));
  }
}

const read = (folder: string) => readdirSync(folder, { withFileTypes: true });
