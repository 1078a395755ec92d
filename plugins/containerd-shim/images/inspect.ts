/** All that there is to say of one image. */
import type { ImageDetails } from 'kuke/plugin';
import type { Client } from '../client/index.ts';
import { storedDocuments } from './content.ts';
import { describeImage } from './describe.ts';
import { invalidImage } from './fault.ts';
import { findImages } from './lookup.ts';
import { resolveAny } from './resolve.ts';
import { runConfig } from './runnable.ts';

/** `name` as a user wrote it; `client` has the namespace in its options. Throws ImageNotFound, InvalidImage. */
export async function inspectImage(client: Client, namespace: string, name: string): Promise<ImageDetails> {
  const [image] = await findImages(client, namespace, name);
  const { target } = image;
  if (target === undefined) throw invalidImage(image.name, 'stands for nothing');
  const [info, resolved, all, containers] = await Promise.all([
    describeImage(client, image),
    resolveAny(target, storedDocuments(client)),
    client.images.list({}),
    Array.fromAsync(client.containers.list({})),
  ]);
  const names = all.filter(other => other.target?.digest === target.digest).map(other => other.name);
  const { manifest, config, path } = resolved;
  return {
    ...info,
    names: names.sort(),
    mediaType: target.mediaType,
    manifest: path.at(-1) ?? '',
    ...(config.created != null && { builtAt: config.created }),
    config: {
      ...runConfig(config),
      exposedPorts: config.config?.ExposedPorts ?? [],
      volumes: config.config?.Volumes ?? [],
    },
    layers: manifest.layers.map(({ digest, mediaType, size }, index) => {
      return { digest, mediaType, size, diffId: config.rootfs.diff_ids[index] ?? '' };
    }),
    usedBy: containers.filter(container => names.includes(container.image)).map(({ id }) => id),
  };
}
