/** An image in containerd, as far as running a container of it goes. */
import { type ImageConfig, KukeError } from 'kuke/plugin';
import type { Client } from '../client/index.ts';
import type { ReadDocument } from './blob-store.ts';
import { chainIds } from './chain.ts';
import { storedDocuments } from './content.ts';
import type { Config, Target } from './documents.ts';
import { invalidImage } from './fault.ts';
import { findImages } from './lookup.ts';
import { mostSuitable } from './platform.ts';
import { candidatesOf, type ResolvedImage, resolveImage } from './resolve.ts';

export interface RunnableImage {
  config: ImageConfig;
  resolved: ResolvedImage;
  /** Name of the snapshot that holds its whole file system, once it is unpacked; empty for an image without layers. */
  chainId: string;
}

/** `name` as a user wrote it; `client` has the namespace in its options; `known`: earlier it was this. Throws ImageNotFound, InvalidImage. */
export async function runnableImage(
  client: Client,
  namespace: string,
  name: string,
  known?: RunnableImage,
): Promise<RunnableImage> {
  const [{ name: fullName, target }] = await findImages(client, namespace, name);
  if (target === undefined) throw invalidImage(fullName, 'stands for nothing');
  if (known?.config.name === fullName && known.config.digest === target.digest) return known;
  const read = storedDocuments(client);
  const resolved = await resolveImage(target, read).catch(async (error: unknown) => {
    if (!(await isElsewheres(target, read))) throw error;
    throw new KukeError('ImageNotFound', `image ${fullName} is in ${namespace} for other machines alone`);
  });
  return {
    config: { name: fullName, digest: target.digest, ...runConfig(resolved.config) },
    resolved,
    chainId: chainIds(resolved.config.rootfs.diff_ids).at(-1) ?? '',
  };
}

/** Its index lists something for this machine that is not here, as after `image pull --platform`. */
async function isElsewheres(target: Target, read: ReadDocument): Promise<boolean> {
  const listed = await candidatesOf(target, read).catch(() => []);
  const own = mostSuitable(
    listed.flatMap(({ path, platform }) => (platform === undefined ? [] : [{ path, platform }])),
    ({ platform }) => platform,
  );
  return own !== undefined && (await read(own.path.at(-1) ?? '', 'manifest')) === undefined;
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
