/** The Images backend on containerd: images complete and unpacked the way containerd's own clients have them. */
import {
  familiarName,
  formatReference,
  type ImageConfig,
  type ImagesBackend,
  KukeError,
  parseReference,
} from 'kuke/plugin';
import type { Client } from '../client/index.ts';
import { type Containerd, inNamespace, readOnly, unlimited } from '../containerd.ts';
import { asContainerdError, ifFound } from '../errors.ts';
import { describeImage } from './describe.ts';
import { explain, explainChange } from './explain.ts';
import { invalidImage } from './fault.ts';
import { releaseAbandoned, withLease } from './lease.ts';
import { findImages } from './lookup.ts';
import { nameTargets, requireFree, requireNamespace, requireOurs } from './records.ts';
import { type RunnableImage, runnableImage } from './runnable.ts';
import { cancellation } from './source.ts';
import { unpack } from './unpack.ts';

export interface RootSnapshot {
  /** The snapshot that holds the image's whole file system, to be the parent of a container's; empty for an image without layers. */
  name: string;
  config: ImageConfig;
  /** Makes it where it is not there: another client brought the image, and left it packed. Throws InvalidImage. */
  unpack(signal: AbortSignal): Promise<void>;
}

export interface ContainerdImages extends ImagesBackend {
  /** Whether it is there is not asked: nearly always it is. `name` as a user wrote it. Throws ImageNotFound, InvalidImage. */
  rootSnapshot(request: { namespace: string; name: string }): Promise<RootSnapshot>;
  /** A kuke that was killed just after a pull has left its lease, and nobody pulls again. One look for all containers of a namespace. */
  releaseAbandoned(namespace: string): Promise<void>;
}

export function makeImages(containerd: Pick<Containerd, 'client' | 'snapshotter' | 'instance'>): ContainerdImages {
  const { snapshotter } = containerd;
  const looked = new Set<string>();
  /** What was asked for when a cell was planned is made a container of next. */
  const known = new Map<string, RunnableImage>();
  const runnable = async (client: Client, namespace: string, name: string) => {
    const image = await runnableImage(client, namespace, name, known.get(`${namespace} ${name}`));
    known.set(`${namespace} ${name}`, image);
    return image;
  };
  return {
    async load({ namespace, source, signal, progress, dryRun = false }) {
      const client = unlimited(inNamespace(containerd, namespace));
      const load = async () => {
        if (signal.aborted) throw cancellation(signal);
        await requireNamespace(client, namespace);
        const instance = await containerd.instance();
        // Reading archives takes libraries that nothing else here needs.
        const { foreseeArchive, loadArchive } = await import('./load.ts');
        if (dryRun) return foreseeArchive(source, signal);
        const names = await withLease(client, instance, (leased, lease) =>
          loadArchive(source, { client: leased, lease, instance, namespace, snapshotter, signal, progress }),
        );
        // Only now is that gone of which nothing is kept: what an index has for other machines.
        return Promise.all(names.map(async name => describeImage(client, await client.images.get({ name }))));
      };
      return named('load image', load(), signal);
    },
    async list({ namespace }) {
      const client = readOnly(inNamespace(containerd, namespace));
      const list = async () => Promise.all((await client.images.list({})).map(image => describeImage(client, image)));
      return named(`list the images of ${namespace}`, list());
    },
    async get({ namespace, name }) {
      known.delete(`${namespace} ${name}`);
      const client = readOnly(inNamespace(containerd, namespace));
      return (await named('look up the image', runnable(client, namespace, name))).config;
    },
    async pull(params, context) {
      const work = async () => (await import('./pull.ts')).pull(containerd, params, context);
      return named(`pull ${params.name}`, work(), context.signal);
    },
    explain: (action, params) => explain(action, params),
    explainChange,
    // What is pulled stays, so nobody has to know what was there.
    isThere: async () => false,
    async inspect({ namespace, name }) {
      const client = readOnly(inNamespace(containerd, namespace));
      const inspect = async () => (await import('./inspect.ts')).inspectImage(client, namespace, name);
      return named('look up the image', inspect());
    },
    async tag({ namespace, source, name, dryRun = false }) {
      const client = inNamespace(containerd, namespace);
      const tag = async () => {
        const full = taggedName(name);
        const [{ target }] = await findImages(client, namespace, source);
        if (target === undefined) throw invalidImage(source, 'stands for nothing');
        const owner = { namespace, instance: await containerd.instance() };
        if (!dryRun) await nameTargets(client, owner, [{ name: full, target }]);
        else await requireFree(client, owner, { name: full, target });
        return full;
      };
      return named(`tag ${name}`, tag());
    },
    async save({ namespace, names, signal }) {
      const client = unlimited(inNamespace(containerd, namespace));
      const save = async () => (await import('./save.ts')).saveImages(client, namespace, names, signal);
      return named('save images', save(), signal);
    },
    async prune(request) {
      const client = inNamespace(containerd, request.namespace);
      const prune = async () => {
        const instance = await containerd.instance();
        return (await import('./prune.ts')).pruneImages({ client, instance, snapshotter }, request);
      };
      return named('remove unused images', prune());
    },
    async remove({ namespace, name, dryRun = false }) {
      const client = inNamespace(containerd, namespace);
      const remove = async () => {
        const [image, ...others] = await findImages(client, namespace, name);
        if (others.length > 0) {
          const names = [image, ...others].map(other => familiarName(other.name)).join(', ');
          throw new KukeError('Conflict', `${names} all stand for ${name}`, {
            remedy: 'remove each of them by its name',
          });
        }
        const containers = await Array.fromAsync(client.containers.list({}));
        const users = containers.filter(container => container.image === image.name);
        if (users.length > 0) {
          const ids = users.map(({ id }) => id).join(', ');
          throw new KukeError('Conflict', `${image.name} is used by ${ids}`, { remedy: 'delete these first' });
        }
        requireOurs(image, { namespace, instance: await containerd.instance() });
        if (!dryRun) await client.images.delete({ name: image.name, sync: true });
        return image.name;
      };
      return named('remove image', remove());
    },
    async rootSnapshot({ namespace, name }) {
      const client = unlimited(inNamespace(containerd, namespace));
      const { config, resolved, chainId } = await named('look up the image', runnable(client, namespace, name));
      const unpacked = async (signal: AbortSignal) => {
        if (chainId === '' || (await ifFound(client.snapshots.stat({ snapshotter, key: chainId })))) return;
        const instance = await containerd.instance();
        await withLease(client, instance, (leased, lease) =>
          unpack(resolved, { client: leased, lease, instance, snapshotter, signal }),
        );
      };
      return { name: chainId, config, unpack: signal => named('unpack the image', unpacked(signal), signal) };
    },
    async releaseAbandoned(namespace) {
      if (looked.has(namespace)) return;
      looked.add(namespace);
      const released = async () => releaseAbandoned(inNamespace(containerd, namespace), await containerd.instance());
      await named('release what killed commands have left', released());
    },
  };
}

/** The name that a tag gives, in full. Throws Usage on one that is a digest, or has one. */
function taggedName(name: string): string {
  const reference = parseReference(name);
  if (reference.digest === undefined) return formatReference(reference);
  throw new KukeError('Usage', `${name} names a digest, which nobody can choose`, {
    remedy: 'write [REGISTRY/]REPOSITORY[:TAG]',
  });
}

async function named<T>(step: string, work: Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const failure = asContainerdError(error);
    if (signal?.aborted !== true) throw failure.at({ step });
    // Whatever the abort made fail first, this is why.
    throw cancellation(signal).at({ step }).with(failure.also);
  }
}
