/** Logs that are kept small while they are written: each is looked at when it changes, and at most once a second. */
import type { FSWatcher } from 'node:fs';
import { watchPath } from '../../host/folder-watch.ts';
import { type LogKeeper, makeKeeper, type Rotation } from '../../host/rotated-log/keep.ts';

/** So exact are the times of what is written often, and so long a log may be larger than it should. */
const LOOK_MS = 1000;

export interface LogWatch {
  /** From now on these, by their paths. */
  set(logs: ReadonlyMap<string, Rotation>): void;
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

interface Watched {
  keeper: LogKeeper;
  rotation: Rotation;
  /** As it was when it was last looked at. */
  size?: number;
  /** While it does not change: what is written all the time is not told of each time. */
  watcher?: FSWatcher;
  timer?: Timer;
  looking?: Promise<void>;
  /** Something has come while it was looked at. */
  isAgain?: boolean;
  isOver: boolean;
}

/** `failed` is told why a log cannot be kept; it is tried again with its next change. */
export function makeLogWatch(failed: (path: string, thrown: unknown) => void, lookMs = LOOK_MS): LogWatch {
  const all = new Map<string, Watched>();

  function look(path: string, one: Watched): void {
    if (one.isOver) return;
    if (one.looking !== undefined) {
      one.isAgain = true;
      return;
    }
    clearTimeout(one.timer);
    one.looking = lookAt(path, one)
      .catch(thrown => failed(path, thrown))
      .finally(() => {
        delete one.looking;
        if (!one.isAgain) return;
        one.isAgain = false;
        look(path, one);
      });
  }

  async function lookAt(path: string, one: Watched): Promise<void> {
    const size = await one.keeper.keep(one.rotation);
    if (one.isOver) return;
    const isSame = size === one.size;
    if (size === undefined) delete one.size;
    else one.size = size;
    if (size === undefined) return letGo(one); // there is no such log yet
    if (!isSame) {
      letGo(one);
      one.timer = setTimeout(() => look(path, one), lookMs).unref();
    } else if (one.watcher === undefined) {
      const watcher = watchPath(path, () => {
        if (one.watcher === watcher) look(path, one);
      });
      one.watcher = watcher.on('error', () => letGo(one));
      // Something may have been written before it was watched.
      one.timer = setTimeout(() => look(path, one), 0).unref();
    }
  }

  function letGo(one: Watched): void {
    one.watcher?.close();
    delete one.watcher;
  }

  function drop(path: string, one: Watched): void {
    one.isOver = true;
    clearTimeout(one.timer);
    letGo(one);
    all.delete(path);
  }

  return {
    set(logs) {
      for (const [path, one] of all) if (!logs.has(path)) drop(path, one);
      for (const [path, rotation] of logs) {
        const there = all.get(path);
        const isNew = there === undefined || there.size === undefined || !Bun.deepEquals(there.rotation, rotation);
        const one = there ?? { keeper: makeKeeper(path), rotation, isOver: false };
        one.rotation = rotation;
        all.set(path, one);
        if (isNew) look(path, one);
      }
    },
    async stop() {
      const under = [...all.values()].map(one => one.looking);
      for (const [path, one] of all) drop(path, one);
      await Promise.allSettled(under);
    },
  };
}
