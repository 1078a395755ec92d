/** Reading and removing what may not be there. */
import { readdirSync, readFileSync, unlinkSync } from 'node:fs';
import { hasCode } from '../../../host/errno.ts';
import { asSystemError } from '../../../host/libc.ts';

/** None where there is no such folder. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw asSystemError(error, folder);
  }
}

/** Undefined where there is no such file, or a folder of that name. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EISDIR')) return undefined;
    throw asSystemError(error, path);
  }
}

export function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}
