/** What callers see of the client. */
import type { CredentialsOf } from './credentials.ts';
import type { Timing } from './patience.ts';

/** An image-spec platform (image-index.md): `{ os: 'linux', architecture: 'arm', variant: 'v7' }`. */
export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
}

/** An image-spec descriptor (descriptor.md). */
export interface Descriptor {
  mediaType: string;
  /** `sha256:` and 64 hexadecimal digits. */
  digest: string;
  /** Bytes. */
  size: number;
  platform?: Platform;
  annotations?: Record<string, string>;
}

export interface RegistryOptions {
  /** What to log in to `server` with; not asked before the server wants it. Undefined: anonymous. */
  credentials: CredentialsOf;
  /** Ends everything under way; its reason is thrown. */
  signal: AbortSignal;
  /** Folder with `<host>/hosts.toml` (containerd's docs/hosts.md); /etc/containerd/certs.d where not given. */
  certsFolder?: string;
  /** HTTP also where the host is no loopback address. */
  plainHttp?: boolean;
  /** Told of each retry: one line, without credentials. */
  log?: ((line: string) => void) | undefined;
  /** Likewise, of each mirror and each field of hosts.toml that was passed over, and why; of the same once. */
  warn?: ((line: string) => void) | undefined;
  /** How patient it is; each has a default (patience.ts). */
  timing?: Partial<Timing>;
}

export interface Resolved {
  /** Of the manifest or index that the tag or digest names. */
  descriptor: Descriptor;
  /** Its bytes, whose sha256 is `descriptor.digest`. */
  content: Uint8Array;
}

export interface BlobOptions {
  /** The first byte that is wanted; 0 where not given. */
  from?: number;
  /**
   * Whether the sha256 is checked once all has been yielded (RegistryError `corrupt`). Where not given: if `from` is 0. False where the
   * receiver checks it anyway, as containerd's Commit with `expected` does.
   */
  verify?: boolean;
}

/** One repository of one registry. All methods throw RegistryError, or the signal's reason. */
export interface Repository {
  /** By tag (`alpine`) or digest (`sha256:...`); the digest is checked. */
  resolve(tagOrDigest: string): Promise<Resolved>;
  /** A manifest or index by its digest, which is checked with its size; at most 4 MiB. */
  manifest(descriptor: Descriptor): Promise<Uint8Array>;
  /**
   * A configuration or layer, in order, exactly `size - from` bytes. Dropped connections are resumed. Backpressure: nothing is read ahead
   * of the consumer but a few hundred kB. A chunk is the consumer's to keep. One of up to 256 KiB that is verified comes in one piece, once it
   * proved to be right; wrong bytes are fetched again.
   */
  blob(descriptor: Descriptor, options?: BlobOptions): AsyncIterable<Uint8Array<ArrayBuffer>>;
  /**
   * To be called when the bytes of a blob proved to be wrong (`verify: false`, and the receiver's digest differs): the next `blob` of it asks
   * another of its hosts, if there is one. False: it has been asked for once more often than there are hosts, which is enough.
   */
  reject(descriptor: Descriptor): boolean;
}
