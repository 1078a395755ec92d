/** Layers become snapshots, one on top of the other, under the names and labels that containerd's own clients use. */
import type { KukeError } from 'kuke/plugin';
import { syncFilesystem } from '../../../src/host/sync-filesystem.ts';
import { type Client, isGrpcError, type Mount } from '../client/index.ts';
import { asContainerdError, ifFound } from '../errors.ts';
import { INSTANCE } from '../labels.ts';
import { chainIds } from './chain.ts';
import { labelContent } from './content.ts';
import { invalidImage } from './fault.ts';
import type { ResolvedImage } from './resolve.ts';
import { cancellation } from './source.ts';

export interface Unpacking {
  /** With namespace and lease in its options. */
  client: Client;
  lease: string;
  instance: string;
  snapshotter: string;
  signal?: AbortSignal;
  progress?(message: string): void;
  /** Resolves once the layer's content is there; absent: all are. */
  ready?(index: number): Promise<void>;
  /** Called as a layer's snapshot is begun, and when it is there. */
  layer?(index: number, state: 'unpacking' | 'done'): void;
}

/** Names what already is there and makes the rest; after it the lease holds all of them. Throws InvalidImage on what is no layer. */
export async function unpack(image: ResolvedImage, context: Unpacking): Promise<void> {
  const { client, snapshotter } = context;
  const chain = chainIds(image.config.rootfs.diff_ids);
  const top = chain.at(-1);
  if (top === undefined) return;
  let present = chain.length;
  while (present > 0 && !(await isHeld(chain[present - 1] ?? '', context))) present -= 1;
  for (let index = 0; index < chain.length; index++) {
    await context.ready?.(index);
    if (context.signal?.aborted) throw cancellation(context.signal);
    if (index >= present) {
      context.progress?.(`unpacking layer ${index + 1} of ${chain.length}`);
      context.layer?.(index, 'unpacking');
      await apply(image, chain, index, context);
    }
    context.layer?.(index, 'done');
  }
  await labelContent(client, image.manifest.config.digest, { [`containerd.io/gc.ref.snapshot.${snapshotter}`]: top });
}

/** Puts a snapshot under the lease, and says whether it is there: in this order nobody can remove it in between. */
async function isHeld(name: string, { client, lease, snapshotter }: Unpacking): Promise<boolean> {
  await client.leases.addResource({ id: lease, resource: { id: name, type: `snapshots/${snapshotter}` } });
  return (await ifFound(client.snapshots.stat({ snapshotter, key: name }))) !== undefined;
}

async function apply(image: ResolvedImage, chain: string[], index: number, context: Unpacking): Promise<void> {
  const { client, lease, snapshotter, signal } = context;
  const layer = image.manifest.layers[index];
  const diffId = image.config.rootfs.diff_ids[index];
  const name = chain[index];
  if (layer === undefined || diffId === undefined || name === undefined) throw new TypeError(`no layer ${index}`);
  const where = `layer ${index + 1} of ${chain.length} (${layer.digest})`;
  const labels = { [INSTANCE]: context.instance };
  const key = `extract-${lease} ${name}`;
  const { mediaType, digest, size } = layer;

  const mounts = await client.snapshots.prepare({ snapshotter, key, parent: chain[index - 1] ?? '', labels });
  // Whatever fails from here on: the snapshot goes with the lease. A layer under way is not called off, for containerd 1.7 then goes on
  // writing for a while into a snapshot that is being removed.
  const applied = await client.diff.apply({ diff: { mediaType, digest, size }, mounts }).catch(error => {
    throw unpackingError(error, where);
  });
  if (signal?.aborted) throw cancellation(signal);
  if (applied.digest !== diffId) {
    throw invalidImage(where, `unpacks to ${applied.digest}, where the image's config says ${diffId}`);
  }
  await labelContent(client, digest, { 'containerd.io/uncompressed': diffId });
  // containerd syncs what it notes of a layer, and not the layer: after a loss of power its files would be there, and be empty.
  await syncFilesystem(writtenTo(mounts)).catch(error => {
    throw asContainerdError(error, { step: `write ${where} to the disk` });
  });
  await client.snapshots.commit({ snapshotter, name, key, labels }).catch(async error => {
    // Somebody else unpacked the same layer meanwhile.
    if (!isGrpcError(error, 'ALREADY_EXISTS') || !(await isHeld(name, context))) throw error;
  });
}

/** A folder of the file system that the layer was written to; undefined where the snapshotter names a device. */
function writtenTo(mounts: readonly Mount[]): string | undefined {
  const [mount] = mounts;
  const upper = mount?.options.find(option => option.startsWith('upperdir='))?.slice('upperdir='.length);
  return upper ?? (mount?.type === 'bind' ? mount.source : undefined);
}

// What the host is to blame for; everything else that containerd says here is about the layer.
const hostTrouble =
  /no space left|quota exceeded|not permitted|permission denied|input\/output error|read-only file system/i;

function unpackingError(error: unknown, where: string): KukeError {
  const known = asContainerdError(error, { step: `unpack ${where}` });
  if (!isGrpcError(error, 'UNKNOWN', 'INVALID_ARGUMENT', 'INTERNAL') || hostTrouble.test(error.message)) return known;
  return invalidImage(where, `cannot be unpacked: ${error.message}`, { cause: error });
}
