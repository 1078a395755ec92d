/** Logs that are read on as they are written, until those who write them have ended. */
import { existsSync, watch } from 'node:fs';
import { dirname } from 'node:path';

/** Bun's watcher loses a change that follows another within a millisecond, so it is looked a second time after each. */
const SECOND_LOOK_MS = 20;

/**
 * Calls `pull` at once, after each change in the folders of these files, and a last time when `ended` is done; never twice at a time. Resolves
 * when it has said that nobody wants more (false), `unread` is, or `ended` is done and all has been read. Rejects with what it or `ended` throws.
 */
export async function follow(
  paths: readonly string[],
  pull: () => Promise<boolean>,
  ended: Promise<unknown>,
  unread: Promise<void> = new Promise(() => {}),
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let turn: Promise<unknown> = Promise.resolve();
  let isDue = false;
  let isOver = false;
  const look = (): void => {
    if (isDue || isOver) return;
    isDue = true;
    turn = turn
      .then(async () => {
        isDue = false;
        if (!(await pull())) resolve();
      })
      .catch(reject);
  };
  const changed = (): void => {
    look();
    setTimeout(look, SECOND_LOOK_MS).unref();
  };
  const folders = [...new Set(paths.map(path => dirname(path)))].filter(folder => existsSync(folder));
  const watchers = folders.map(folder => watch(folder, changed).on('error', reject));
  ended.then(() => {
    look();
    turn.then(() => resolve());
  }, reject);
  unread.then(resolve, () => {}); // the signal's reason is `ended`'s as well
  look(); // after the watch has begun, so that nothing falls in between
  try {
    await promise;
  } finally {
    isOver = true;
    for (const watcher of watchers) watcher.close();
    await turn;
  }
}
