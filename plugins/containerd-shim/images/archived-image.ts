/** What Docker archives and OCI layouts have in common once they are read. */
import { asKukeError, normaliseName } from 'kuke/plugin';
import type { Target } from './documents.ts';
import { invalidImage } from './fault.ts';

export interface ArchivedImage {
  /** Normalised; never empty: what the archive gives no name is called by its digest, as Docker does. */
  names: string[];
  target: Target;
}

export function archivedImage(target: Target, names: string[], where: string): ArchivedImage {
  const unique = [...new Set(names.map(name => archivedName(name, where)))];
  return { names: unique.length === 0 ? [target.digest] : unique, target };
}

function archivedName(name: string, where: string): string {
  try {
    return normaliseName(name);
  } catch (error) {
    throw invalidImage(where, asKukeError(error).message, { cause: error });
  }
}
