/** Which of the two kinds of archive it is. */
import type { Archive } from './archive.ts';
import type { ArchivedImage } from './archived-image.ts';
import type { BlobStore } from './blob-store.ts';
import { dockerImages } from './docker-archive.ts';
import { invalidImage } from './fault.ts';
import { layoutImages } from './oci-layout.ts';

/** The images in an archive. One that is both (docker save since 25, ctr images export) counts as an OCI layout. Throws InvalidImage. */
export function imagesOf(archive: Archive, store: BlobStore): Promise<ArchivedImage[]> {
  if (archive.documents.has('index.json')) return layoutImages(archive, store);
  if (archive.documents.has('manifest.json')) return dockerImages(archive, store);
  throw invalidImage('the archive', 'has neither index.json (OCI layout) nor manifest.json (docker save)');
}
