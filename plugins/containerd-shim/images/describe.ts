/** What a list of images tells of each. */
import { asKukeError, type ImageInfo } from 'kuke/plugin';
import { type Client, type Image, isGrpcError } from '../client/index.ts';
import { ifFound } from '../errors.ts';
import { storedDocuments } from './content.ts';
import type { Target } from './documents.ts';
import { formatPlatform } from './platform.ts';
import { candidatesOf, type ResolvedImage, resolveAny } from './resolve.ts';

/** An image that is incomplete or makes no sense is listed as well, with size 0 and without platforms. */
export async function describeImage(client: Client, { name, target, createdAt }: Image): Promise<ImageInfo> {
  const info = { name, digest: target?.digest ?? '', createdAt: (createdAt ?? new Date(0)).toISOString() };
  const [image, platforms] = await Promise.all([
    ifValid(target && resolveAny(target, storedDocuments(client))),
    ifValid(target && listedPlatforms(client, target)),
  ]);
  const own = image === undefined ? [] : [formatPlatform(image.platform)];
  return {
    ...info,
    size: image === undefined ? 0 : sizeOf(image),
    platforms: [...new Set([...own, ...(platforms ?? [])])],
  };
}

export function sizeOf({ manifest: { config, layers } }: ResolvedImage): number {
  return layers.reduce((total, layer) => total + layer.size, config.size);
}

/** Of an index: the ones that are here, and not only listed. */
async function listedPlatforms(client: Client, target: Target): Promise<string[]> {
  const found: string[] = [];
  for (const { path, platform } of await candidatesOf(target, storedDocuments(client))) {
    const isHere = platform !== undefined && (await ifFound(client.content.info({ digest: path.at(-1) ?? '' })));
    if (isHere) found.push(formatPlatform(platform));
  }
  return found;
}

async function ifValid<T>(work: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isGrpcError(error) || asKukeError(error).code !== 'InvalidImage') throw error;
    return undefined;
  }
}
