/** From an archive to named, complete and unpacked images, or to nothing at all. */
import type { ImageInfo } from 'kuke/plugin';
import { readArchive } from './archive.ts';
import { imagesOf } from './archive-format.ts';
import type { ArchivedImage } from './archived-image.ts';
import type { BlobStore } from './blob-store.ts';
import { uploadsOf } from './content.ts';
import { documentsAlone } from './documents-alone.ts';
import { invalidImage } from './fault.ts';
import { keepReferences } from './gc-labels.ts';
import { type NamedTarget, nameTargets } from './records.ts';
import { type ResolvedImage, resolveImage } from './resolve.ts';
import { cancellation } from './source.ts';
import { type Unpacking, unpack } from './unpack.ts';

export interface LoadContext extends Unpacking {
  namespace: string;
  signal: AbortSignal;
  progress(message: string): void;
}

/** The names that now stand for what was in the archive. What it makes before it fails is left to the lease. */
export async function loadArchive(source: AsyncIterable<Uint8Array>, context: LoadContext): Promise<string[]> {
  const { client, lease, instance, signal, progress } = context;
  const store = uploadsOf(client, lease, instance);
  progress('reading the archive');
  const named: NamedTarget[] = [];
  for (const { names, target, image } of await readImages(source, store, signal)) {
    const title = names.join(', ');
    if (title === target.digest) progress(`the archive gives no name: the image is called ${title}`);
    await keepReferences(client, image);
    await unpack(image, { ...context, progress: message => progress(`${title}: ${message}`) });
    named.push(...names.map(name => ({ name, target })));
  }
  if (signal.aborted) throw cancellation(signal);
  await nameTargets(client, context, named);
  return named.map(({ name }) => name);
}

/** What a load of it would bring, as far as that can be told without keeping its layers. */
export async function foreseeArchive(source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<ImageInfo[]> {
  const images = await readImages(source, documentsAlone(), signal);
  const unknown = { size: 0, platforms: [], createdAt: '' };
  return images.flatMap(({ names, target: { digest } }) => names.map(name => ({ ...unknown, name, digest })));
}

async function readImages(
  source: AsyncIterable<Uint8Array>,
  store: BlobStore,
  signal: AbortSignal,
): Promise<(ArchivedImage & { image: ResolvedImage })[]> {
  const archive = await readArchive(source, store, signal);
  const found = [];
  for (const one of await imagesOf(archive, store)) {
    const image = await resolveImage(one.target, store.read);
    requireLayers(image, store);
    found.push({ ...one, image });
  }
  if (signal.aborted) throw cancellation(signal);
  return found;
}

function requireLayers({ path, manifest: { layers } }: ResolvedImage, store: BlobStore): void {
  for (const [index, { digest }] of layers.entries()) {
    if (store.has(digest)) continue;
    throw invalidImage(`layer ${index + 1} of ${layers.length} of manifest ${path.at(-1)}`, `${digest} is missing`);
  }
}
