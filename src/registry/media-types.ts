/** Media types of manifests and indexes (image-spec, media-types.md; distribution's docs/spec/manifest-v2-2.md). */
import { printable, RegistryError } from './errors.ts';

export const mediaTypes = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
} as const;

const manifests: readonly string[] = [mediaTypes.ociManifest, mediaTypes.dockerManifest];
const indexes: readonly string[] = [mediaTypes.ociIndex, mediaTypes.dockerList];

/** For Accept. */
export const accepted = [...indexes, ...manifests].join(', ');

/**
 * What a document is: by its own `mediaType`, by what the registry calls it, or by its fields. Throws RegistryError `unsupported` on one
 * that could be read as two things (CVE-2021-41190), and on what is neither manifest nor index.
 */
export function mediaTypeOf(content: Uint8Array, contentType: string | null): string {
  const document = parse(content);
  const said = (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const own = typeof document.mediaType === 'string' ? document.mediaType : undefined;
  if (document.schemaVersion === 1 || /docker\.distribution\.manifest\.v1\+/.test(own ?? said)) {
    throw new RegistryError(
      'unsupported',
      'it is an image in Docker’s schema 1, which has been out of use since 2017',
      {
        remedy: 'push the image again with a Docker or skopeo of today',
      },
    );
  }
  const [hasLayers, hasManifests] = [Array.isArray(document.layers), Array.isArray(document.manifests)];
  const inferred = hasManifests ? mediaTypes.ociIndex : mediaTypes.ociManifest;
  const type = own ?? ([...manifests, ...indexes].includes(said) ? said : inferred);
  const fits = (manifests.includes(type) && hasLayers) || (indexes.includes(type) && hasManifests);
  if (fits && hasLayers !== hasManifests) return type;
  const what =
    hasLayers && hasManifests ? 'it can be read as a manifest and as an index' : `${printable(type, 100)} is no image`;
  throw new RegistryError('unsupported', what, { remedy: 'give the name of a container image' });
}

function parse(content: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content));
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch {}
  throw new RegistryError('refused', 'its answer is no JSON object: there may be no registry at this address');
}
