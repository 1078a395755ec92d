/** From a registry to a named, complete and unpacked image, or to nothing at all. */
import {
  type ActionContext,
  formatReference,
  type ImageInfo,
  type ImagePull,
  KukeError,
  parseReference,
  type Reference,
  type Transfer,
} from 'kuke/plugin';
import { type Descriptor, openRepository, type RegistryOptions, type Repository } from '../../../src/registry/index.ts';
import type { Client } from '../client/index.ts';
import { type Containerd, inNamespace, unlimited } from '../containerd.ts';
import { credentialsFrom } from './credentials.ts';
import { describeImage } from './describe.ts';
import { indexSchema, isIndex, isManifest, manifestSchema, parseDocument, type Target } from './documents.ts';
import { type Downloads, makeDownloads } from './download.ts';
import { invalidImage, quoted } from './fault.ts';
import { keepReferences } from './gc-labels.ts';
import { inFlight, makeSlots } from './in-flight.ts';
import { withLease } from './lease.ts';
import { host, type Machine, parseMachine } from './platform.ts';
import { nameTargets, requireNamespace } from './records.ts';
import { asRegistryFailure } from './registry-failure.ts';
import { type ResolvedImage, resolveImage } from './resolve.ts';
import { cancellation } from './source.ts';
import { type Unpacking, unpack } from './unpack.ts';

/** Of one pull, and of all pulls of a command: each takes some 15 MB of memory. */
const layersAtOnce = 3;
type Slots = ReturnType<typeof makeSlots>;
/** By what each command has of its own: in a process that runs several, a registry that drips holds up its own alone. */
const slots = new WeakMap<object, Slots>();

function slotsOf(containerd: object): Slots {
  const own = slots.get(containerd) ?? makeSlots(layersAtOnce);
  slots.set(containerd, own);
  return own;
}

/** As the Images backend has it; errors are containerd's or kuke's. */
export async function pull(
  containerd: Pick<Containerd, 'client' | 'snapshotter' | 'instance'>,
  { namespace, name, platform, plainHttp, credentials = [] }: ImagePull,
  { signal, progress, note = progress }: ActionContext,
): Promise<ImageInfo> {
  if (signal.aborted) throw cancellation(signal);
  const reference = pullable(name);
  const machine = machineOf(platform);
  const client = unlimited(inNamespace(containerd, namespace));
  await requireNamespace(client, namespace);
  const { snapshotter } = containerd;
  const instance = await containerd.instance();
  const stopped = new AbortController();
  const repository = opened(reference.repository, {
    credentials: credentialsFrom(credentials),
    signal: AbortSignal.any([signal, stopped.signal]),
    plainHttp: plainHttp === true,
    log: line => progress(line),
    warn: line => note(line),
  });
  const work = async (leased: Client, lease: string) => {
    const stop = (reason: unknown) => stopped.abort(reason);
    const inSlot = slotsOf(containerd);
    const context = { client: leased, lease, instance, namespace, snapshotter, repository, machine, signal, inSlot };
    try {
      return await pullImage(reference, { ...context, progress, stop });
    } catch (error) {
      throw asRegistryFailure(error) ?? error;
    }
  };
  const full = await withLease(client, instance, work, { takesOver: true });
  return describeImage(client, await client.images.get({ name: full }));
}

function opened(name: string, options: RegistryOptions): Repository {
  try {
    return openRepository(name, options);
  } catch (error) {
    throw asRegistryFailure(error) ?? error;
  }
}

/** Throws ImageNotFound on what names no repository. */
function pullable(name: string): Reference {
  const reference = parseReference(name);
  if (reference.repository !== '') return reference;
  throw new KukeError('ImageNotFound', `${quoted(name)} is a digest alone: it does not say where the image is`, {
    remedy: 'write [REGISTRY/]REPOSITORY@sha256:DIGEST',
  });
}

function machineOf(platform: string | undefined): Machine {
  const machine = platform === undefined ? host : parseMachine(platform);
  if (machine !== undefined) return machine.name === host.name ? host : machine;
  const remedy = 'write OS/ARCHITECTURE[/VARIANT]: linux/amd64, linux/arm64, linux/arm/v7';
  throw new KukeError('Usage', `${quoted(platform ?? '')} is no platform`, { remedy });
}

interface PullContext extends Omit<Unpacking, 'progress'> {
  namespace: string;
  repository: Repository;
  machine: Machine;
  signal: AbortSignal;
  inSlot: Slots;
  progress(message: string, transfer?: Transfer): void;
  /** Stops the downloads. */
  stop(reason: unknown): void;
}

/** The name that stands for it now. What it makes before it fails is left to the lease. */
async function pullImage(reference: Reference, context: PullContext): Promise<string> {
  const { client, lease, instance, repository, machine, signal, progress } = context;
  const name = formatReference(reference);
  const downloads = await makeDownloads({ client, lease, instance, repository, name: reference.repository });
  try {
    progress('resolving');
    const { descriptor, content } = await repository.resolve(reference.digest ?? reference.tag ?? '');
    const { mediaType, digest, size } = descriptor;
    await downloads.put(descriptor, content);
    const image = await resolveImage({ mediaType, digest, size }, documentsOf(downloads, descriptor, content), machine);
    await bringLayers(name, image, downloads, context);
    if (signal.aborted) throw cancellation(signal);
    // Not before: where its index is here under a name already, what a failed pull has brought would stay with it.
    await keepReferences(client, image);
    await nameTargets(client, context, [{ name, target: image.target }]);
    return name;
  } finally {
    await downloads.close();
  }
}

/** Reads what the target leads to: a document is asked for by digest, and has been named, with its size, by one before it. */
function documentsOf(downloads: Downloads, target: Descriptor, content: Uint8Array) {
  const known = new Map<string, Descriptor>();
  const read = new Map([[target.digest, content]]);
  const learn = (from: Target, bytes: Uint8Array): void => {
    const where = `manifest ${from.digest}`;
    const listed = isIndex(from) ? parseDocument(indexSchema, bytes, where).manifests : [];
    const named = isManifest(from) ? [parseDocument(manifestSchema, bytes, where).config] : listed;
    for (const { mediaType, digest, size } of named) known.set(digest, { mediaType, digest, size });
  };
  learn(target, content);
  return async (digest: string, name: string): Promise<Uint8Array> => {
    const before = read.get(digest);
    if (before !== undefined) return before;
    const descriptor = known.get(digest);
    if (descriptor === undefined) throw invalidImage(name, 'is named by nothing before it');
    const bytes = await downloads.document(descriptor, name);
    read.set(digest, bytes);
    learn(descriptor, bytes);
    return bytes;
  };
}

/** Several at once, each unpacked as soon as the one below it is. Nothing of it runs on afterwards. */
async function bringLayers(
  name: string,
  image: ResolvedImage,
  downloads: Downloads,
  context: PullContext,
): Promise<void> {
  const { layers } = image.manifest;
  const running = inFlight(layersAtOnce);
  const arrivals = layers.map(() => Promise.withResolvers<void>());
  const title = (index: number) => `layer ${index + 1} of ${layers.length}`;
  const tell = (index: number, state: Transfer['state'], done: number): void => {
    const total = layers[index]?.size ?? 0;
    context.progress(`${title(index)}: ${state}`, { of: name, title: title(index), done, total, state });
  };

  async function fetchAll(): Promise<void> {
    for (const [index, { mediaType, digest, size }] of layers.entries()) {
      await running.room();
      const told = (bytes: number) => tell(index, 'fetching', bytes);
      const descriptor = { mediaType, digest, size };
      const work = context.inSlot(() => downloads.layer(descriptor, `${title(index)} (${digest})`, told));
      running.add(
        work.then(how => {
          tell(index, how, size);
          arrivals[index]?.resolve();
        }),
      );
    }
    await running.done();
  }

  for (const index of layers.keys()) tell(index, 'waiting', 0);
  const fetched = fetchAll().catch((error: unknown) => {
    for (const { promise, reject } of arrivals) {
      promise.catch(() => {}); // those that nobody came to wait for
      reject(error);
    }
    throw error;
  });
  fetched.catch(() => {});
  try {
    // What is for another machine would only take room: nothing here runs it.
    if (context.machine !== host) return await fetched;
    await unpack(image, {
      ...context,
      progress: () => {},
      ready: index => arrivals[index]?.promise ?? Promise.resolve(),
      layer: (index, state) => tell(index, state, layers[index]?.size ?? 0),
    });
    await fetched;
  } catch (error) {
    context.stop(error);
    throw error;
  } finally {
    await running.settled();
  }
}
