/** An OCI image layout: index.json lists manifests, and indexes of them, by digest (OCI image-spec: image-layout.md, annotations.md). */
import { type Archive, pathOfDigest } from './archive.ts';
import { type ArchivedImage, archivedImage } from './archived-image.ts';
import type { BlobStore } from './blob-store.ts';
import { dockerManifest } from './docker-archive.ts';
import {
  type Descriptor,
  indexSchema,
  isIndex,
  isManifest,
  layoutSchema,
  manifestSchema,
  parseDocument,
} from './documents.ts';
import { invalidImage } from './fault.ts';
import { mostSuitable, suitability } from './platform.ts';

/** The images, of several with one name the one that suits this machine. Throws InvalidImage. */
export async function layoutImages(archive: Archive, store: BlobStore): Promise<ArchivedImage[]> {
  parseDocument(layoutSchema, archive.documents.get('oci-layout'), 'oci-layout');
  const index = parseDocument(indexSchema, archive.documents.get('index.json'), 'index.json');
  // Artifacts may lie beside the images.
  const descriptors = index.manifests.filter(descriptor => isManifest(descriptor) || isIndex(descriptor));
  if (descriptors.length === 0) throw invalidImage('index.json', 'lists no image');

  const named = new Map<string, Descriptor[]>();
  const unnamed: Descriptor[] = [];
  for (const descriptor of descriptors) {
    const names = await namesOf(descriptor, archive, store);
    if (names.length === 0) unnamed.push(descriptor);
    for (const name of names) named.set(name, [...(named.get(name) ?? []), descriptor]);
  }

  const images = [...named].map(([name, group]) => archivedImage(best(group), [name], 'index.json'));
  const suitable = unnamed.filter(({ platform }) => platform == null || suitability(platform) !== undefined);
  images.push(...suitable.map(descriptor => archivedImage(descriptor, [], 'index.json')));
  // Nothing for this machine: whatever there is, for the error that says so.
  return images.length > 0
    ? images
    : descriptors.slice(0, 1).map(descriptor => archivedImage(descriptor, [], 'index.json'));
}

function best(group: Descriptor[]): Descriptor {
  const withPlatform = group.flatMap(descriptor =>
    descriptor.platform == null ? [] : [{ descriptor, platform: descriptor.platform }],
  );
  const [first] = group;
  if (first === undefined) throw new TypeError('an empty group');
  return (
    mostSuitable(withPlatform, ({ platform }) => platform)?.descriptor ??
    group.find(({ platform }) => platform == null) ??
    first
  );
}

/** From containerd's annotation, OCI's, or the manifest.json beside it. OCI's is often a mere tag, which names no image. */
async function namesOf(descriptor: Descriptor, archive: Archive, store: BlobStore): Promise<string[]> {
  const { digest, annotations } = descriptor;
  const full = annotations['io.containerd.image.name'];
  if (full !== undefined && full !== '') return [full];
  const short = annotations['org.opencontainers.image.ref.name'];
  if (short !== undefined && /[/:@]/.test(short)) return [short];

  const docker = dockerManifest(archive);
  if (docker.length === 0 || !isManifest(descriptor)) return [];
  const { config } = parseDocument(
    manifestSchema,
    await store.read(digest, `manifest ${digest}`),
    `manifest ${digest}`,
  );
  return docker.filter(({ Config }) => Config === pathOfDigest(config.digest)).flatMap(({ RepoTags }) => RepoTags);
}
