/** What stands at a path. Who may not look takes it for a file: the reading or writing of it says so. */
import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** `what`: null where nothing is there. */
export interface Looked {
  what: 'file' | 'folder' | 'other' | null;
  hasFolder: boolean;
}

export function look(path: string): Looked {
  return { what: whatIs(path), hasFolder: existsSync(dirname(path)) };
}

function whatIs(path: string): Looked['what'] {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return null;
    return stat.isFile() ? 'file' : stat.isDirectory() ? 'folder' : 'other';
  } catch {
    return 'file';
  }
}
