/** What reading an archive needs of a content store: containerd's (content.ts), or one in memory in tests. */

export interface Blob {
  /** `sha256:...` */
  digest: string;
  /** In bytes. */
  size: number;
}

/** A whole document (documents.ts), undefined if it is not there. Throws InvalidImage, with `name`, if it is longer than documentMax. */
export type ReadDocument = (digest: string, name: string) => Promise<Uint8Array | undefined>;

export type Bytes = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Holds what one archive brought: nothing else can be read through it. */
export interface BlobStore {
  /**
   * `digest`: what it has to be, if that is known; `name` says in errors where it comes from. `body` gives `size` bytes, and is not read if
   * the store has the blob already. Throws InvalidImage if it does not fit its digest.
   */
  put(blob: { name: string; size: number; digest?: string }, body: Bytes): Promise<Blob>;
  has(digest: string): boolean;
  read: ReadDocument;
}
