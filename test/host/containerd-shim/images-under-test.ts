/** The Images backend on a real containerd, and what `ctr` and the disk show of a namespace. */

import type { ImageInfo, ImagePull, Transfer } from 'kuke/plugin';
import { type Client, connect } from '../../../plugins/containerd-shim/client/index.ts';
import { type ContainerdImages, makeImages } from '../../../plugins/containerd-shim/images/index.ts';
import { INSTANCE } from '../../../plugins/containerd-shim/labels.ts';
import { inPieces } from '../../unit/containerd-shim/images/archives.ts';
import type { Containerd } from '../containerd.ts';
import { content, ctr, images, leases, snapshots } from '../observe/containerd.ts';
import { filesBelow } from '../observe/system.ts';

export const instance = 'images-under-test';

export interface ImagesUnderTest {
  backend: ContainerdImages;
  client: Client;
  namespace: string;
  load(bytes: Uint8Array, signal?: AbortSignal): Promise<ImageInfo[]>;
  /** `told` is given each transfer. */
  pull(
    name: string,
    options?: Partial<ImagePull> & { signal?: AbortSignal; told?(transfer: Transfer): void },
  ): Promise<ImageInfo>;
  ctr(...command: string[]): Promise<string>;
  /** Everything in the namespace, as ctr lists it, each sort with its names. */
  held(): Promise<Record<'images' | 'content' | 'snapshots' | 'leases' | 'uploads', string[]>>;
}

export const nothing = { images: [], content: [], snapshots: [], leases: [], uploads: [] };

let count = 0;

/** In a fresh namespace, of ours. */
export async function imagesOn({ address }: Pick<Containerd, 'address'>): Promise<ImagesUnderTest> {
  count += 1;
  const namespace = `images-${count}`;
  const client = connect({ socket: address }).with({ namespace });
  await client.namespaces.create({ namespace: { name: namespace, labels: { [INSTANCE]: instance } } });
  const backend = makeImages({ client, snapshotter: 'overlayfs', instance: async () => instance });
  return {
    backend,
    client,
    namespace,
    load: (bytes, signal = new AbortController().signal) =>
      backend.load({ namespace, source: inPieces(bytes), signal, progress: () => {} }),
    pull: (name, { signal = new AbortController().signal, told, ...more } = {}) =>
      backend.pull(
        { namespace, name, ...more },
        { signal, progress: (_, transfer) => transfer !== undefined && told?.(transfer) },
      ),
    ctr: (...command) => ctr(namespace, command, address),
    async held() {
      const uploads = (await ctr(namespace, ['content', 'active'], address)).trim().split('\n').slice(1);
      return {
        images: await images(namespace, address),
        content: await content(namespace, address),
        snapshots: (await snapshots(namespace, address)).map(({ key, kind }) => `${kind} ${key}`),
        leases: await leases(namespace, address),
        uploads,
      };
    },
  };
}

/** Blobs, uploads and snapshots on disk, of all namespaces. */
export function onDisk({ root }: Pick<Containerd, 'root'>): string[] {
  const folders = [
    'content.v1.content/blobs/sha256',
    'content.v1.content/ingest',
    'snapshotter.v1.overlayfs/snapshots',
  ];
  return folders.flatMap(folder => filesBelow(`${root}/io.containerd.${folder}`));
}
