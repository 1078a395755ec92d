/** An image in containerd, as far as running a container of it goes. */
import type { ImageConfig } from 'kuke/plugin';
import type { Client } from '../client/index.ts';
import { chainIds } from './chain.ts';
import { storedDocuments } from './content.ts';
import type { Config } from './documents.ts';
import { invalidImage } from './fault.ts';
import { findImages } from './lookup.ts';
import { type ResolvedImage, resolveImage } from './resolve.ts';

export interface RunnableImage {
  config: ImageConfig;
  resolved: ResolvedImage;
  /** Name of the snapshot that holds its whole file system, once it is unpacked; empty for an image without layers. */
  chainId: string;
}

/** `name` as a user wrote it; `client` has the namespace in its options. Throws ImageNotFound, InvalidImage. */
export async function runnableImage(client: Client, namespace: string, name: string): Promise<RunnableImage> {
  const [{ name: fullName, target }] = await findImages(client, namespace, name);
  if (target === undefined) throw invalidImage(fullName, 'stands for nothing');
  const resolved = await resolveImage(target, storedDocuments(client));
  return {
    config: { name: fullName, digest: target.digest, ...runConfig(resolved.config) },
    resolved,
    chainId: chainIds(resolved.config.rootfs.diff_ids).at(-1) ?? '',
  };
}

export function runConfig({ config }: Config): Omit<ImageConfig, 'name' | 'digest'> {
  return {
    entrypoint: config?.Entrypoint ?? [],
    cmd: config?.Cmd ?? [],
    env: config?.Env ?? [],
    user: config?.User ?? '',
    workingDir: config?.WorkingDir ?? '',
    ...(config?.StopSignal && { stopSignal: config.StopSignal }),
    labels: config?.Labels ?? {},
  };
}
