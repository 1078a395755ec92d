/** An index with all that it leads to, put into a registry. */
import { pushBlob, pushManifest } from '../../registry/push.ts';
import type { Layout } from '../../unit/containerd-shim/images/archives.ts';

interface Listed {
  mediaType: string;
  digest: string;
}

/** `index`: what `made.index` gave; `manifests`: what it lists. */
export async function pushIndex(
  host: string,
  name: string,
  tag: string,
  made: Layout,
  index: Listed,
  manifests: Listed[],
): Promise<void> {
  const base = `http://${host}/v2/${name}`;
  const contentOf = ({ digest }: Pick<Listed, 'digest'>): Uint8Array => {
    const entry = made.entries[`blobs/${digest.replace(':', '/')}`];
    if (!(entry instanceof Uint8Array)) throw new Error(`no blob ${digest}`);
    return entry;
  };
  const listed = new Set([index, ...manifests].map(({ digest }) => digest));
  for (const path of Object.keys(made.entries).filter(one => one.startsWith('blobs/'))) {
    const digest = path.slice('blobs/'.length).replace('/', ':');
    if (!listed.has(digest)) await pushBlob(base, digest, contentOf({ digest }));
  }
  for (const manifest of manifests) await pushManifest(base, manifest.digest, manifest.mediaType, contentOf(manifest));
  await pushManifest(base, tag, index.mediaType, contentOf(index));
}
