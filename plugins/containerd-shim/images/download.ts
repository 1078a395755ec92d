/** From a registry into containerd's content store: what is not there yet, resumed where an earlier kuke was killed. */
import type { Descriptor, Repository } from '../../../src/registry/index.ts';
import { readBlob, upload } from '../client/blobs.ts';
import { type Client, isGrpcError } from '../client/index.ts';
import { asContainerdError, ifFound } from '../errors.ts';
import { INSTANCE } from '../labels.ts';
import { documentMax, isIndex, isManifest } from './documents.ts';
import { invalidImage } from './fault.ts';
import { keepSmall } from './memory.ts';
import { inPiecesOf } from './pieces.ts';

/** Bytes in a message to containerd. */
const pieceSize = 512 * 1024;

export interface Downloads {
  /** A manifest, index or config, from the store or the registry. */
  document(descriptor: Descriptor, name: string): Promise<Uint8Array>;
  /** Puts what was fetched already into the store, if it is not there. */
  put(descriptor: Descriptor, content: Uint8Array): Promise<void>;
  /** Any size. `here already`: nothing was fetched. `told` is given how many bytes there are so far. */
  layer(descriptor: Descriptor, name: string, told: (bytes: number) => void): Promise<'fetched' | 'here already'>;
  /** Drops what was begun and not ended. To be called whatever happens. */
  close(): Promise<void>;
}

export interface DownloadContext {
  /** With namespace and lease in its options. */
  client: Client;
  lease: string;
  instance: string;
  repository: Repository;
  /** `docker.io/library/nginx` */
  name: string;
}

export async function makeDownloads(context: DownloadContext): Promise<Downloads> {
  const { client, lease, instance, repository } = context;
  const labels = { [INSTANCE]: instance, ...sourceLabel(context.name) };
  const begun = await begunUploads(client, lease);
  const open = new Set<string>();
  const passed = keepSmall();
  const under = new Map<string, ReturnType<Downloads['layer']>>();

  /** Holds it, and says whether it is there: in this order nobody can remove it in between. */
  async function isHeld(digest: string): Promise<boolean> {
    await client.leases.addResource({ id: lease, resource: { id: digest, type: 'content' } });
    return (await ifFound(client.content.info({ digest }))) !== undefined;
  }

  async function send(
    ref: string,
    { digest, size }: Descriptor,
    source: (from: number) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    let broken: { error: unknown } | undefined;
    // As in content.ts: a body that breaks off ends here, for containerd to close the upload before it answers.
    async function* sent(from: number) {
      try {
        if (from < size) yield* inPiecesOf(Math.min(pieceSize, size - from), source(from));
      } catch (error) {
        broken = { error };
      }
    }
    open.add(ref);
    try {
      await upload(client.content, { ref, digest, size, labels }, sent);
      open.delete(ref);
    } catch (error) {
      throw broken === undefined ? error : broken.error;
    }
  }

  async function fetchLayer(
    descriptor: Descriptor,
    name: string,
    told: (bytes: number) => void,
  ): ReturnType<Downloads['layer']> {
    const { digest, size } = descriptor;
    if (await isHeld(digest)) return 'here already';
    let isFetched = false;
    async function* counted(from: number) {
      let count = from;
      told(count);
      for await (const chunk of repository.blob(descriptor, { from, verify: false })) {
        isFetched = true;
        count += chunk.length;
        passed(chunk.length);
        told(count);
        yield chunk;
      }
    }
    const own = refOf(lease, digest);
    for (let ref = begun.get(digest) ?? own; ; ref = own) {
      try {
        await send(ref, descriptor, counted);
        break;
      } catch (error) {
        // Somebody else goes on with what an earlier kuke has left.
        const isTaken = ref !== own && isGrpcError(error, 'UNAVAILABLE');
        if (isTaken) open.delete(ref);
        else if (!(await isAskedAgain(descriptor, ref, error))) throw uploadError(error, name);
      }
    }
    told(size);
    return isFetched ? 'fetched' : 'here already';
  }

  /** A registry may be right the next time, or its mirror alone be wrong; and what an earlier kuke has left may be damaged. */
  async function isAskedAgain(descriptor: Descriptor, ref: string, error: unknown): Promise<boolean> {
    if (!isWrong(error)) return false;
    await abort(client, open, ref);
    return repository.reject(descriptor);
  }

  async function put({ digest, size, mediaType }: Descriptor, content: Uint8Array): Promise<void> {
    if (await isHeld(digest)) return;
    await send(refOf(lease, digest), { digest, size, mediaType }, () => [content]);
  }

  return {
    put,
    async document(descriptor, name) {
      const { digest, size } = descriptor;
      if (size > documentMax) throw invalidImage(name, `has ${size} bytes; at most ${documentMax} are read`);
      // Not asked for where another namespace has it.
      async function* body() {
        if (isManifest(descriptor) || isIndex(descriptor)) yield await repository.manifest(descriptor);
        else yield* repository.blob(descriptor);
      }
      if (!(await isHeld(digest))) {
        await send(refOf(lease, digest), descriptor, body).catch(error => {
          throw uploadError(error, name);
        });
      }
      return readBlob(client.content, digest, { limit: documentMax });
    },
    layer(descriptor, name, told) {
      // Some images have the same layer twice.
      const known = under.get(descriptor.digest)?.then(() => 'here already' as const);
      const work = known ?? fetchLayer(descriptor, name, told);
      under.set(descriptor.digest, work);
      return work;
    },
    async close() {
      // They would go with the lease, but a containerd that never had a blob fails to collect uploads. Those that were taken over and not
      // touched may be another's by now.
      for (const ref of open) await abort(client, open, ref);
    },
  };
}

const refOf = (lease: string, digest: string): string => `${lease}-${digest}`;

/** What a kuke that was killed has left under the lease that this one took over: by digest. */
async function begunUploads(client: Client, lease: string): Promise<Map<string, string>> {
  const resources = await client.leases.listResources({ id: lease });
  const refs = resources.flatMap(({ id, type }) => (type === 'ingests' ? [id] : []));
  return new Map(refs.map(ref => [/sha256:[a-f0-9]{64}$/.exec(ref)?.[0] ?? ref, ref]));
}

async function abort(client: Client, open: Set<string>, ref: string): Promise<void> {
  open.delete(ref);
  await client.content.abort({ ref }).catch(() => {});
}

/** Its digest or size is not what it has to be. */
const isWrong = (error: unknown): boolean => isGrpcError(error, 'FAILED_PRECONDITION', 'OUT_OF_RANGE');

function uploadError(error: unknown, name: string): unknown {
  if (isWrong(error)) {
    const remedy = 'try again; if it stays so, the registry, or a proxy before it, is damaged';
    return invalidImage(name, 'is not what its digest says, as the registry gave it', { cause: error, remedy });
  }
  return isGrpcError(error) ? asContainerdError(error, { step: `store ${name}` }) : error;
}

/** By which containerd's clients know where they can have a blob again, or push it without sending it. */
function sourceLabel(name: string): Record<string, string> {
  const { hostname, pathname } = new URL(`https://${name}`);
  return { [`containerd.io/distribution.source.${hostname}`]: pathname.slice(1) };
}
