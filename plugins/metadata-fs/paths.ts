/** Where a resource's manifest and the store's own files are, and what cannot be the path of one (spec.md §2). */
import { describe, KukeError, type ResourceRef } from 'kuke/plugin';

/** Everything below the run path that is not a realm is in this folder; names never start with a dot. */
export const OWN_FOLDER = '.kuke';

// The kernel has validated the names; this is what the file system must be safe from, whoever calls.
const SAFE = /^[A-Za-z0-9][A-Za-z0-9-]{0,200}$/;

export const isSafeName = (name: string): boolean => SAFE.test(name);

/** `cell.yaml` */
export const manifestName = (kind: string): string => `${kind.toLowerCase()}.yaml`;

/** Throws InvalidManifest for a reference that could lead anywhere but to a file of its own below the run path. */
export function checkRef(ref: ResourceRef): void {
  const hostile = [ref.kind, ...ref.path].find(name => !isSafeName(name));
  if (hostile === undefined && ref.path.length > 0) return;
  const what = hostile === undefined ? 'it has no name' : `${JSON.stringify(hostile)} cannot be the name of a file`;
  throw new KukeError('InvalidManifest', what, { resource: JSON.stringify(describe(ref)) });
}

/** The parts of a `StoredFile.path`. Throws Internal for one that could lead out of `.kuke`. */
export function partsOf(path: string): string[] {
  const parts = path.split('/');
  if (parts.every(part => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'))) return parts;
  throw new KukeError('Internal', `${JSON.stringify(path)} is not the path of a file below ${OWN_FOLDER}`);
}
