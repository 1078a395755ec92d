/** Images that nobody uses any more. */
import { digestPattern, type ImagesBackend, normaliseName, type PrunedImages } from 'kuke/plugin';
import type { Client } from '../client/index.ts';
import { isOurs } from '../labels.ts';
import { releaseAbandoned } from './lease.ts';

export interface PruneContext {
  /** With the namespace in its options. */
  client: Client;
  instance: string;
  snapshotter: string;
}

/** Also what processes that were killed have left of loads and pulls. */
export async function pruneImages(
  { client, instance, snapshotter }: PruneContext,
  { all, keep, dryRun }: Parameters<ImagesBackend['prune']>[0],
): Promise<PrunedImages> {
  const [images, containers] = await Promise.all([client.images.list({}), Array.fromAsync(client.containers.list({}))]);
  const kept = new Set([...containers.map(({ image }) => image), ...keep, ...keep.flatMap(fullName)]);
  const byDigest = new Set(keep.flatMap(name => /@(.+)$/.exec(name)?.[1] ?? []));
  const inUse = new Set(images.filter(({ name }) => kept.has(name)).map(({ target }) => target?.digest));
  const unused = images.filter(image => {
    if (!isOurs(image, instance) || kept.has(image.name) || byDigest.has(image.target?.digest ?? '')) return false;
    // One without a name of its own is kept for what uses the same by another name.
    return all || (digestPattern.test(image.name) && !inUse.has(image.target?.digest));
  });
  const names = unused.map(({ name }) => name).sort();
  if (dryRun) return { names, bytes: 0 };
  const before = await held(client, snapshotter);
  await releaseAbandoned(client, instance);
  // One collection for all of them.
  for (const [index, name] of names.entries()) await client.images.delete({ name, sync: index === names.length - 1 });
  const after = await held(client, snapshotter);
  const gone = [...before].filter(([what]) => !after.has(what));
  return { names, bytes: gone.reduce((total, [, bytes]) => total + bytes, 0) };
}

/** A manifest may name what no image is called. */
function fullName(name: string): string[] {
  try {
    return [normaliseName(name)];
  } catch {
    return [];
  }
}

/** Bytes of every blob, and of every snapshot that is a layer. */
async function held(client: Client, snapshotter: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for await (const { digest, size } of client.content.list({})) found.set(digest, size);
  for await (const { name: key, kind } of client.snapshots.list({ snapshotter })) {
    if (kind !== 'COMMITTED') continue;
    // It may go meanwhile.
    const usage = await client.snapshots.usage({ snapshotter, key }).catch(() => ({ size: 0 }));
    found.set(`snapshot ${key}`, usage.size);
  }
  return found;
}
