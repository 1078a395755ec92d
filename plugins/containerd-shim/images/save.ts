/** Images as an archive: an OCI layout, with Docker's manifest.json for those that know nothing else (OCI image-spec, image-layout.md). */
import { digestPattern, parseReference } from 'kuke/plugin';
import { tarEnd, tarHeader, tarPadding } from '../../../src/host/file-tree/tar-header.ts';
import type { Client, Image } from '../client/index.ts';
import { ifFound } from '../errors.ts';
import { pathOfDigest } from './archive.ts';
import { storedDocuments } from './content.ts';
import { invalidImage } from './fault.ts';
import { findImages } from './lookup.ts';
import { keepSmall } from './memory.ts';
import { type ResolvedImage, resolveAny } from './resolve.ts';
import { cancellation } from './source.ts';

interface Saved {
  name: string;
  image: ResolvedImage;
}

/** Throws ImageNotFound and InvalidImage before the first bytes come. `client` has the namespace in its options. */
export async function saveImages(
  client: Client,
  namespace: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const found = new Map<string, Image>();
  for (const name of names) for (const image of await findImages(client, namespace, name)) found.set(image.name, image);
  const saved: Saved[] = [];
  const blobs = new Map<string, number>();
  for (const { name, target } of found.values()) {
    if (target === undefined) throw invalidImage(name, 'stands for nothing');
    const image = await resolveAny(target, storedDocuments(client));
    for (const digest of digestsOf(image)) blobs.set(digest, await sizeOf(client, digest, name));
    saved.push({ name, image });
  }
  return archive(client, documentsFor(saved), blobs, signal);
}

function digestsOf({ path, manifest: { config, layers } }: ResolvedImage): string[] {
  return [...path, config.digest, ...layers.map(({ digest }) => digest)];
}

async function sizeOf(client: Client, digest: string, name: string): Promise<number> {
  const info = await ifFound(client.content.info({ digest }));
  if (info !== undefined) return info.size;
  throw invalidImage(name, `${digest} is not here`, { remedy: 'pull it again, or load it again' });
}

function documentsFor(saved: readonly Saved[]): Record<string, unknown> {
  const manifests = saved.map(({ name, image: { target } }) => {
    const { mediaType, digest, size } = target;
    if (digestPattern.test(name)) return { mediaType, digest, size };
    const { tag } = parseReference(name);
    const annotations = {
      'io.containerd.image.name': name,
      ...(tag !== undefined && { 'org.opencontainers.image.ref.name': tag }),
    };
    return { mediaType, digest, size, annotations };
  });
  // Docker knows an image by its configuration; several names of one are one entry.
  const byConfig = Map.groupBy(saved, ({ image }) => image.manifest.config.digest);
  const docker = [...byConfig].map(([config, same]) => ({
    Config: pathOfDigest(config),
    // In full: a short one is docker.io's to Docker, and localhost's to podman.
    RepoTags: same.flatMap(({ name }) => (/@|^sha256:/.test(name) ? [] : [name])),
    Layers: (same[0]?.image.manifest.layers ?? []).map(({ digest }) => pathOfDigest(digest)),
  }));
  return {
    'oci-layout': { imageLayoutVersion: '1.0.0' },
    'index.json': { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests },
    'manifest.json': docker,
  };
}

const headerOf = (name: string, size: number) => tarHeader({ name, type: 'file', mode: 0o644, size, mtime: 0 });

async function* archive(
  client: Client,
  documents: Record<string, unknown>,
  blobs: Map<string, number>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  for (const [name, document] of Object.entries(documents)) {
    const bytes = new TextEncoder().encode(JSON.stringify(document));
    yield* [headerOf(name, bytes.length), bytes, tarPadding(bytes.length)];
  }
  const passed = keepSmall();
  for (const [digest, size] of blobs) {
    yield headerOf(pathOfDigest(digest), size);
    let count = 0;
    for await (const { data } of client.content.read({ digest })) {
      if (signal.aborted) throw cancellation(signal);
      count += data.length;
      passed(data.length);
      yield data;
    }
    if (count !== size) throw invalidImage(digest, `has ${count} bytes, and not ${size}`);
    yield tarPadding(size);
  }
  yield tarEnd();
}
