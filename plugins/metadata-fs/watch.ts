/** Changes of what lies below the run path, by inotify: each folder that may hold a manifest is watched. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { KukeError } from 'kuke/plugin';
import { watchTree } from '../../src/host/folder-watch.ts';

/** Throws NotInitialised where there is no such folder yet. */
export async function watchManifests(root: string, changed: () => void, signal: AbortSignal): Promise<void> {
  const concerns = (name: string) => !isHidden(name);
  if (watchTree({ folders: () => foldersIn(root), concerns }, changed, signal) === 0)
    throw new KukeError('NotInitialised', `${root} is not there`);
}

/** Temporary files, and `.kuke`. */
const isHidden = (name: string): boolean => name.startsWith('.');

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
    if (entry.isDirectory() && !isHidden(entry.name)) yield* foldersIn(join(folder, entry.name));
  }
}

const read = (folder: string) => readdirSync(folder, { withFileTypes: true });
