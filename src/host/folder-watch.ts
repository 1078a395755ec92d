/** Changes below a folder, by inotify: nothing is polled. */
import { type FSWatcher, watch } from 'node:fs';
import { hasCode } from './errno.ts';

/** Bun's watcher loses what follows another change within a millisecond. */
const AGAIN_MS = 20;

/** Watches a file, or a folder and what is in it; `look` is called for each change, and once more soon after. Throws as `fs.watch` does. */
export function watchPath(path: string, look: (name: string | null) => void): FSWatcher {
  return watch(path, (_, name) => {
    look(name);
    setTimeout(look, AGAIN_MS, name).unref();
  });
}

export interface FolderTree {
  /** The folders that there are now; one may have gone by the time it is looked at. */
  folders(): Iterable<string>;
  /** Whether a change of this name in one of them is worth telling. */
  concerns(name: string): boolean;
}

/** Until `signal`. Those that come are watched as well, those that go are let go of. Returns how many there are at first. */
export function watchTree({ folders, concerns }: FolderTree, changed: () => void, signal: AbortSignal): number {
  const watchers = new Map<string, FSWatcher>();
  const seen = (name: string | null): void => {
    if (signal.aborted || (name !== null && !concerns(name))) return;
    try {
      follow();
    } catch {} // no more watches are to be had: what there are still tell
    changed();
  };
  const follow = (): void => {
    const there = new Set(folders());
    for (const [path, watcher] of watchers) {
      if (there.has(path)) continue;
      watcher.close();
      watchers.delete(path);
    }
    for (const path of there) {
      if (watchers.has(path)) continue;
      try {
        // One that has gone ends with an error, and what is around it tells of that.
        watchers.set(
          path,
          watchPath(path, seen).on('error', () => {}),
        );
      } catch (thrown) {
        if (!hasCode(thrown, 'ENOENT')) throw thrown;
      }
    }
  };
  signal.addEventListener('abort', () => watchers.forEach(watcher => void watcher.close()));
  follow();
  return watchers.size;
}
