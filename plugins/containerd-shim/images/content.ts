/** Blobs in containerd's content store: what an archive brought, and what is there already. */
import type { KukeError } from 'kuke/plugin';
import { readBlob, upload } from '../client/blobs.ts';
import { type Client, isGrpcError } from '../client/index.ts';
import { asContainerdError, ifFound } from '../errors.ts';
import { INSTANCE } from '../labels.ts';
import type { BlobStore, ReadDocument } from './blob-store.ts';
import { documentMax } from './documents.ts';
import { invalidImage } from './fault.ts';

/** What one load uploads, under the lease that `client` has in its options and whose id is `lease`. */
export function uploadsOf(client: Client, lease: string, instance: string): BlobStore {
  const brought = new Set<string>();
  const read = storedDocuments(client);
  let count = 0;
  return {
    async put({ name, size, digest }, body) {
      count += 1;
      const hash = new Bun.CryptoHasher('sha256');
      let broken: { error: unknown } | undefined;
      // A body that breaks off ends here, and the commit fails for its size: then containerd has closed the upload before it answers. Throwing
      // would cancel the call, and what containerd writes as it notices would be left over from the removal of the upload.
      async function* sent(offset: number) {
        if (offset > 0) return; // another namespace has it
        try {
          for await (const chunk of body) {
            hash.update(chunk);
            yield chunk;
          }
        } catch (error) {
          broken = { error };
        }
      }
      const blob = { ref: `${lease}-${count}`, digest: digest ?? '', size, labels: { [INSTANCE]: instance } };
      try {
        await upload(client.content, blob, sent);
      } catch (error) {
        // It would go with the lease, but a containerd that never had a blob fails to collect uploads.
        await client.content.abort({ ref: blob.ref }).catch(() => {});
        if (broken === undefined) throw uploadError(error, name);
      }
      if (broken !== undefined) throw broken.error;
      const actual = digest ?? `sha256:${hash.digest('hex')}`;
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
      throw invalidImage(name, `has more than ${documentMax} bytes`, { cause: error });
    }
  };
}

function uploadError(error: unknown, name: string): KukeError {
  if (isGrpcError(error, 'FAILED_PRECONDITION'))
    return invalidImage(name, `is not what its name says: ${error.message}`);
  return asContainerdError(error, { step: `upload ${name}` });
}

/** Labels of a blob, beside those that it has. */
export async function labelContent(client: Client, digest: string, labels: Record<string, string>): Promise<void> {
  const paths = Object.keys(labels).map(key => `labels.${key}`);
  await client.content.update({ info: { digest, labels }, updateMask: { paths } });
}
