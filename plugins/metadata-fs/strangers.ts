/** What lies in a run path and has nothing to do with kuke: `/etc`, or somebody's home, is no place for its state. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../../src/host/errno.ts';
import { isSafeName, OWN_FOLDER } from './paths.ts';

/** Sorted. Realms are known by their manifest; a file system that is mounted there brings its `lost+found`. */
export async function strangersIn(root: string): Promise<string[]> {
  return namesIn(root)
    .filter(name => name !== OWN_FOLDER && name !== 'lost+found' && !isRealm(root, name))
    .sort();
}

function isRealm(root: string, name: string): boolean {
  if (!isSafeName(name) || !lstatSync(join(root, name), { throwIfNoEntry: false })?.isDirectory()) return false;
  return lstatSync(join(root, name, 'realm.yaml'), { throwIfNoEntry: false })?.isFile() === true;
}

function namesIn(root: string): string[] {
  try {
    return readdirSync(root);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
