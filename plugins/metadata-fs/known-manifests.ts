/** Manifests that were read before, and are as they were by their files' inodes: a daemon reads all of them after each change of one. */
import { lstatSync } from 'node:fs';
import type { Manifest } from 'kuke/plugin';

/** What tells a file, as it is, from all others and from itself after a change: no call sets ctime, inode(7). */
interface Identity {
  ino: bigint;
  size: bigint;
  ctimeNs: bigint;
}

/** Two changes within one tick of a file system's clock look the same: 4 ms mostly, a second on ext4 with small inodes, two at most. */
const TICK_MS = 2000;

const known = new Map<string, { identity: Identity; manifest: Manifest }>();

/** `read` is called where the file is not as it was, and throws what it throws; what it returns is frozen, for it may be given to others, too. */
export async function knownManifest<T extends { manifest: Manifest } | { problem: string }>(
  path: string,
  read: () => Promise<T>,
): Promise<T | { manifest: Manifest }> {
  const before = identityOf(path);
  const there = known.get(path);
  if (there !== undefined && before !== undefined && Bun.deepEquals(there.identity, before)) return there;
  known.delete(path);
  const found = await read();
  if (!('manifest' in found)) return found;
  freeze(found.manifest);
  if (before !== undefined && isOld(before) && Bun.deepEquals(identityOf(path), before))
    known.set(path, { identity: before, manifest: found.manifest });
  return found;
}

/** Of those below a folder, only these are there any more. */
export function forgetOthers(root: string, paths: ReadonlySet<string>): void {
  for (const path of known.keys()) if (path.startsWith(`${root}/`) && !paths.has(path)) known.delete(path);
}

function identityOf(path: string): Identity | undefined {
  const entry = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return entry?.isFile() ? { ino: entry.ino, size: entry.size, ctimeNs: entry.ctimeNs } : undefined;
}

/** What changes it from now on gives it another time. */
const isOld = ({ ctimeNs }: Identity): boolean => ctimeNs < BigInt(Date.now() - TICK_MS) * 1_000_000n;

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const one of Object.values(value)) freeze(one);
}
