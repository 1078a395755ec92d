/** A content store in memory, for what reads archives. */
import type { Blob, BlobStore, Bytes } from '../../../../plugins/containerd-shim/images/blob-store.ts';
import { documentMax } from '../../../../plugins/containerd-shim/images/documents.ts';
import { invalidImage } from '../../../../plugins/containerd-shim/images/fault.ts';
import { sha256 } from './archives.ts';

export class MemoryStore implements BlobStore {
  readonly blobs = new Map<string, Uint8Array>();
  /** How many uploads are under way. */
  open = 0;

  async put(blob: { name: string; size: number; digest?: string }, body: Bytes): Promise<Blob> {
    if (blob.digest !== undefined && this.blobs.has(blob.digest)) return { digest: blob.digest, size: blob.size };
    this.open += 1;
    try {
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) {
        chunks.push(chunk.slice());
        await Promise.resolve();
      }
      const bytes = new Uint8Array(Buffer.concat(chunks));
      const digest = sha256(bytes);
      if (blob.digest !== undefined && blob.digest !== digest) throw invalidImage(blob.name, 'has another digest');
      this.blobs.set(digest, bytes);
      return { digest, size: bytes.length };
    } finally {
      this.open -= 1;
    }
  }

  has(digest: string): boolean {
    return this.blobs.has(digest);
  }

  async read(digest: string, name: string): Promise<Uint8Array> {
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) throw invalidImage(name, 'is not in the archive');
    if (bytes.length > documentMax)
      throw invalidImage(name, `has ${bytes.length} bytes; at most ${documentMax} are read`);
    return bytes;
  }
}
