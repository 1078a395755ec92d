/** Changes of what lies below the run path, by inotify: each folder that may hold a manifest is watched. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { KukeError } from 'kuke/plugin';
import { watchTree } from '../../src/host/folder-watch.ts';

/** Throws NotInitialised where there is no such folder yet. */
export async function watchManifests(root: string, changed: () => void, signal: AbortSignal): Promise<void> {
  const concerns = (name: string) => !isHidden(name);
  if (watchTree({ tops: [root], foldersIn, concerns }, changed, signal) === 0)
    throw new KukeError('NotInitialised', `${root} is not there`);
}

/** Temporary files, and `.kuke`. */
const isHidden = (name: string): boolean => name.startsWith('.');

function foldersIn(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.flatMap(one => (one.isDirectory() && !isHidden(one.name) ? [join(folder, one.name)] : []));
  } catch {
    return []; // it has gone, or is not ours to read
  }
}
