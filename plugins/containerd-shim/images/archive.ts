/** Reads an archive once: its blobs go straight into the content store, in whatever order they come, and what names them is kept. */
import { posix } from 'node:path';
import type { Blob, BlobStore, Bytes } from './blob-store.ts';
import { peekCompression } from './compression.ts';
import { documentMax } from './documents.ts';
import { invalidImage, quoted } from './fault.ts';
import { inFlight } from './in-flight.ts';
import { readTar, type TarEntry } from './tar.ts';

export interface ArchivedBlob extends Blob {
  /** `gzip`, `zstd`, `xz` or `bzip2`, as its first bytes say. */
  compression: string | undefined;
}

export interface Archive {
  /** oci-layout, index.json and manifest.json, as far as they are there. */
  documents: ReadonlyMap<string, Uint8Array>;
  /** The blob at a path in the archive, links followed. Throws InvalidImage if there is none. */
  blobAt(path: string, neededBy: string): ArchivedBlob;
}

// An archive of a hundred images has a few thousand files.
const filesMax = 20_000;
const linksMax = 40;
const uploadsAtOnce = 8;
// Up to here a blob is held in memory, so that the next one can be read while it is on its way.
const smallMax = 1 << 20;
const documentNames = new Set(['oci-layout', 'index.json', 'manifest.json']);
// Of Docker's image format 1.0, beside the layers: nothing refers to them any more.
const legacyNames = new Set(['VERSION', 'json', 'repositories']);

/** Throws what readTar and the store throw, and InvalidImage on an archive beyond all bounds. Nothing of it runs on afterwards. */
export async function readArchive(
  source: AsyncIterable<Uint8Array>,
  store: BlobStore,
  signal: AbortSignal,
): Promise<Archive> {
  const documents = new Map<string, Uint8Array>();
  const blobs = new Map<string, ArchivedBlob>();
  const links = new Map<string, string>();
  const uploads = inFlight(uploadsAtOnce);
  let files = 0;

  async function take(entry: TarEntry, path: string): Promise<void> {
    if (documentNames.has(path)) {
      if (entry.size > documentMax)
        throw invalidImage(path, `has ${entry.size} bytes; at most ${documentMax} are read`);
      documents.set(path, await collect(entry.body));
      return;
    }
    const { compression, whole } = await peekCompression(entry.body);
    const { body, consumed } =
      entry.size > smallMax ? handOver(whole) : { body: [await collect(whole)], consumed: undefined };
    const digest = digestOfPath(path);
    const upload = store
      .put({ name: quoted(path), size: entry.size, ...(digest === undefined ? {} : { digest }) }, body)
      .then(blob => blobs.set(path, { ...blob, compression }));
    uploads.add(upload);
    // The upload is over before the body where the store has the blob; what is left is skipped then.
    if (consumed !== undefined) await Promise.race([consumed, upload]);
    await uploads.room();
  }

  try {
    for await (const entry of readTar(source, signal)) {
      const path = canonical(entry.name);
      if (entry.type === 'other' || legacyNames.has(posix.basename(path))) continue;
      files += 1;
      if (files > filesMax) throw invalidImage('the archive', `has more than ${filesMax} files`);
      if (entry.type === 'file') await take(entry, path);
      if (entry.type === 'link') links.set(path, canonical(entry.target));
      if (entry.type === 'symlink') links.set(path, canonical(posix.resolve(`/${posix.dirname(path)}`, entry.target)));
    }
    await uploads.done();
  } finally {
    await uploads.settled();
  }
  return { documents, blobAt: (path, neededBy) => follow(blobs, links, path, neededBy) };
}

function follow(
  blobs: Map<string, ArchivedBlob>,
  links: Map<string, string>,
  from: string,
  neededBy: string,
): ArchivedBlob {
  let path = canonical(from);
  for (let hops = 0; hops < linksMax; hops++) {
    const blob = blobs.get(path);
    if (blob !== undefined) return blob;
    const next = links.get(path);
    if (next === undefined) throw invalidImage(neededBy, `names ${quoted(from)}, which is not in the archive`);
    path = next;
  }
  throw invalidImage(neededBy, `names ${quoted(from)}, a link that leads nowhere`);
}

/** Where an OCI layout keeps a blob. */
export function pathOfDigest(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function digestOfPath(path: string): string | undefined {
  const [, hex] = /^blobs\/sha256\/([a-f0-9]{64})$/.exec(path) ?? [];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

/** Relative to the archive's root, without `.`, `..` and leading slashes. */
function canonical(path: string): string {
  return posix.resolve('/', path).slice(1);
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The same body, and when its reader has come to its end or left it. */
function handOver(body: AsyncIterable<Uint8Array>): { body: Bytes; consumed: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  async function* read() {
    try {
      yield* body;
    } finally {
      resolve();
    }
  }
  return { body: read(), consumed: promise };
}
