/** Images of one namespace. They are read, loaded and removed without a plan and without the lock (spec.md §7). */

export interface ImageInfo {
  /** Normalised: `docker.io/library/nginx:alpine`. */
  name: string;
  /** Of the manifest or index: `sha256:...`. */
  digest: string;
  /** Compressed size of config and layers for this platform, in bytes. */
  size: number;
  /** `linux/amd64`. */
  platforms: string[];
  /** RFC 3339. */
  createdAt: string;
}

/** What of the image's configuration decides how a container of it runs (OCI image-spec, config.md). */
export interface ImageConfig {
  name: string;
  digest: string;
  entrypoint: string[];
  cmd: string[];
  env: string[];
  user: string;
  workingDir: string;
  stopSignal?: string;
  labels: Record<string, string>;
}

export interface ImagesBackend {
  /** Docker archives and OCI layouts, plain or gzipped. What it made is gone again if it fails or is aborted. */
  load(request: {
    namespace: string;
    /** The archive's bytes. */
    source: AsyncIterable<Uint8Array>;
    signal: AbortSignal;
    progress(message: string): void;
  }): Promise<ImageInfo[]>;
  list(request: { namespace: string }): Promise<ImageInfo[]>;
  /** Throws ImageNotFound. */
  get(request: { namespace: string; name: string }): Promise<ImageConfig>;
  /** Throws ImageNotFound; Conflict while a container uses it. */
  remove(request: { namespace: string; name: string }): Promise<void>;
}
