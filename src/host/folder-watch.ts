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
  /** The folders in which all others lie; one may be missing. */
  tops: readonly string[];
  /** The paths of those directly in a folder; none where it has gone. */
  foldersIn(folder: string): string[];
  /** Whether a change of this name in one of them is worth telling. */
  concerns(name: string): boolean;
}

interface Watched {
  watcher: FSWatcher;
  below: Set<string>;
}

/** Until `signal`. Those that come are watched as well, those that go are let go of. Returns how many there are at first. */
export function watchTree({ tops, foldersIn, concerns }: FolderTree, changed: () => void, signal: AbortSignal): number {
  const watched = new Map<string, Watched>();
  const letGo = (path: string): void => {
    const { watcher, below } = watched.get(path) ?? {};
    watcher?.close();
    watched.delete(path);
    below?.forEach(letGo);
  };
  /** What has come into a folder, and gone from it. Whether there are new ones. */
  const follow = (folder: string): boolean => {
    const one = watched.get(folder);
    if (one === undefined) return false;
    const there = new Set(foldersIn(folder));
    for (const path of one.below) if (!there.has(path)) letGo(path);
    one.below = there;
    return [...there].map(begin).includes(true);
  };
  const begin = (folder: string): boolean => {
    if (watched.has(folder)) return false;
    try {
      const seen = (name: string | null, isContent: boolean) => heard(folder, name, isContent);
      // One that has gone ends with an error, and what is around it tells of that.
      const watcher = watchPath(folder, seen).on('error', () => {});
      watched.set(folder, { watcher, below: new Set() });
    } catch (thrown) {
      if (hasCode(thrown, 'ENOENT')) return false;
      throw thrown;
    }
    follow(folder); // after its watch: what comes from now on is told
    return true;
  };
  const heard = (folder: string, name: string | null, isContent: boolean): void => {
    if (signal.aborted || (name !== null && !concerns(name))) return;
    if (!isContent) followSoon(folder);
    changed();
  };
  const due = new Set<string>();
  let timer: Timer | undefined;
  let restedAt = 0;
  const followSoon = (folder: string): void => {
    due.add(folder);
    const now = performance.now();
    if (timer !== undefined) return;
    if (now >= restedAt) followNow();
    else timer = setTimeout(followNow, restedAt - now).unref();
  };
  const followNow = (): void => {
    timer = undefined;
    if (signal.aborted) return;
    const began = performance.now();
    const folders = [...due];
    due.clear();
    let hasNew = false;
    try {
      for (const folder of folders) hasNew = follow(folder) || hasNew;
    } catch {} // no more watches are to be had: what there are still tell
    const took = performance.now() - began;
    restedAt = began + took * (1 + REST);
    // In those that are watched only now, something may have happened before.
    if (hasNew) changed();
  };
  signal.addEventListener('abort', () => watched.forEach(({ watcher }) => void watcher.close()));
  for (const top of tops) begin(top);
  return watched.size;
}
