/** Blobs in containerd's content store: what an archive brought, and what is there already. */

import { readBlob, upload } from '../client/blobs.ts';
import { type Client, isGrpcError } from '../client/index.ts';
import { asContainerdError, ifFound } from '../errors.ts';
import { INSTANCE } from '../labels.ts';
import type { BlobStore, Bytes, ReadDocument } from './blob-store.ts';
import { documentMax } from './documents.ts';
import { invalidImage } from './fault.ts';

/** What one load uploads, under the lease that `client` has in its options and whose id is `lease`. */
export function uploadsOf(client: Client, lease: string, instance: string): BlobStore {
  const brought = new Set<string>();
  const read = storedDocuments(client);
  let count = 0;
  return {
    async put({ name, size, digest }, body) {
      const hash = new Bun.CryptoHasher('sha256');
      let actual = digest ?? '';
      async function* checked(offset: number) {
        // Another namespace has it: there is nothing to send.
        if (offset === size && digest !== undefined) return;
        yield* hashed(body, hash);
        actual = `sha256:${hash.digest('hex')}`;
        if (digest !== undefined && digest !== actual) throw invalidImage(name, `its content has the digest ${actual}`);
      }
      count += 1;
      const ref = `${lease}-${count}`;
      try {
        await upload(client.content, { ref, digest: digest ?? '', size, labels: { [INSTANCE]: instance } }, checked);
      } catch (error) {
        throw asContainerdError(error, { step: `upload ${name}` });
      }
      brought.add(actual);
      return { digest: actual, size };
    },
    has: digest => brought.has(digest),
    read: async (digest, name) => (brought.has(digest) ? read(digest, name) : undefined),
  };
}

/** Everything in the namespace that `client` has in its options. */
export function storedDocuments(client: Client): ReadDocument {
  return async (digest, name) => {
    try {
      return await ifFound(readBlob(client.content, digest, { limit: documentMax }));
    } catch (error) {
      if (!isGrpcError(error, 'RESOURCE_EXHAUSTED')) throw error;
      throw invalidImage(name, `has more than ${documentMax} bytes`, error);
    }
  };
}

/** The bytes in pieces of a size that is quick to send, digested on the way. */
async function* hashed(body: Bytes, hash: Bun.CryptoHasher): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of body) {
    hash.update(chunk);
    yield chunk;
  }
}

/** Labels of a blob, beside those that it has. */
export async function labelContent(client: Client, digest: string, labels: Record<string, string>): Promise<void> {
  const paths = Object.keys(labels).map(key => `labels.${key}`);
  await client.content.update({ info: { digest, labels }, updateMask: { paths } });
}
