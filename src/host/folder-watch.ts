/** Changes below a folder, by inotify: nothing is polled. */
import { type FSWatcher, watch } from 'node:fs';
import { hasCode } from './errno.ts';

/** Bun's watcher loses what follows another change within a millisecond. */
const AGAIN_MS = 20;

/** Of the time, looking for new folders takes a fifth at most, however much goes on in them. */
const REST = 4;

/**
 * Watches a file, or a folder and what is in it; `look` is called for each change, and once more soon after. `isContent`: nothing has come or gone, but
 * what is in a file has changed. Throws as `fs.watch` does.
 */
export function watchPath(path: string, look: (name: string | null, isContent: boolean) => void): FSWatcher {
  return watch(path, (event, name) => {
    const isContent = event === 'change' && name !== null;
    look(name, isContent);
    setTimeout(look, AGAIN_MS, name, isContent).unref();
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
  const seen = (name: string | null, isContent: boolean): void => {
    if (signal.aborted || (name !== null && !concerns(name))) return;
    if (!isContent) followSoon();
    changed();
  };
  let due: Timer | undefined;
  let restedAt = 0;
  const followSoon = (): void => {
    const now = performance.now();
    if (due === undefined && now >= restedAt) followNow();
    else
      due ??= setTimeout(() => {
        due = undefined;
        if (!signal.aborted) followNow();
      }, restedAt - now).unref();
  };
  const followNow = (): void => {
    const began = performance.now();
    let hasNew = false;
    try {
      hasNew = follow();
    } catch {} // no more watches are to be had: what there are still tell
    const took = performance.now() - began;
    restedAt = began + took * (1 + REST);
    // In those that are watched only now, something may have happened before.
    if (hasNew) changed();
  };
  /** Whether there are new ones. */
  const follow = (): boolean => {
    let hasNew = false;
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
        hasNew = true;
      } catch (thrown) {
        if (!hasCode(thrown, 'ENOENT')) throw thrown;
      }
    }
    return hasNew;
  };
  signal.addEventListener('abort', () => watchers.forEach(watcher => void watcher.close()));
  follow();
  return watchers.size;
}
