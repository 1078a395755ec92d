/** What `docker save` writes: manifest.json lists configs, names and layers by path (Docker's Image Spec v1.2). */
import type { Archive, ArchivedBlob } from './archive.ts';
import { type ArchivedImage, archivedImage } from './archived-image.ts';
import type { BlobStore } from './blob-store.ts';
import {
  type DockerManifest,
  dockerConfigType,
  dockerManifestSchema,
  dockerManifestType,
  parseDocument,
  type Target,
} from './documents.ts';
import { invalidImage, quoted } from './fault.ts';

const layerTypes = new Map<string | undefined, string>([
  [undefined, 'application/vnd.docker.image.rootfs.diff.tar'],
  ['gzip', 'application/vnd.docker.image.rootfs.diff.tar.gzip'],
  ['zstd', 'application/vnd.oci.image.layer.v1.tar+zstd'],
]);

/** The images, each with a manifest made for it, byte for byte the one that `ctr images import` makes. Throws InvalidImage. */
export async function dockerImages(archive: Archive, store: BlobStore): Promise<ArchivedImage[]> {
  const entries = dockerManifest(archive);
  if (entries.length === 0) throw invalidImage('manifest.json', 'names no image');
  const images: ArchivedImage[] = [];
  for (const [index, entry] of entries.entries()) {
    const target = await makeManifest(archive, store, entry, `manifest.json: [${index}]`);
    images.push(archivedImage(target, entry.RepoTags, `manifest.json: [${index}].RepoTags`));
  }
  return images;
}

/** Empty where there is none. */
export function dockerManifest(archive: Archive): DockerManifest[] {
  const bytes = archive.documents.get('manifest.json');
  return bytes === undefined ? [] : parseDocument(dockerManifestSchema, bytes, 'manifest.json');
}

async function makeManifest(archive: Archive, store: BlobStore, entry: DockerManifest, where: string): Promise<Target> {
  const config = archive.blobAt(entry.Config, `${where}.Config`);
  const layers = entry.Layers.map((path, index) => {
    const layer = archive.blobAt(path, `${where}.Layers[${index}]`);
    return describe(layerType(layer, path), layer);
  });
  const mediaType = dockerManifestType;
  const manifest = { schemaVersion: 2, mediaType, config: describe(dockerConfigType, config), layers };
  const bytes = new TextEncoder().encode(JSON.stringify(manifest));
  return { mediaType, ...(await store.put({ name: `manifest for ${where}`, size: bytes.length }, [bytes])) };
}

function describe(mediaType: string, { digest, size }: ArchivedBlob): Target {
  return { mediaType, digest, size };
}

function layerType({ compression }: ArchivedBlob, path: string): string {
  const type = layerTypes.get(compression);
  if (type === undefined)
    throw invalidImage(`layer ${quoted(path)}`, `is compressed with ${compression}, which containerd cannot read`);
  return type;
}
