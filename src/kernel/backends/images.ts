/** Images of one namespace. They are read, loaded, pulled and removed without the lock (spec.md §7). */
import type { Backend } from './backend.ts';

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

/** What to log in to a registry with. Secrets stand in files, so that no manifest, plan or journal has any. */
export interface RegistryCredentials {
  /** As in the names of images: `docker.io`, `registry.local:5000`. */
  server: string;
  username?: string;
  /** Absolute; of root, mode 0600. The file's first line is the password of `username`. */
  passwordFile?: string;
  /** The same for a refresh token (Docker's `identitytoken`). */
  identityTokenFile?: string;
}

export interface ImagePull {
  namespace: string;
  /** As a user wrote it. */
  name: string;
  /** `linux/arm64`; absent: this machine's. */
  platform?: string;
  /** Also where the registry is on no loopback address. */
  plainHttp?: boolean;
  credentials?: RegistryCredentials[];
}

export interface ImagesActions {
  /**
   * Brings an image as its registry has it now; what is here already is not fetched again. All of it, or nothing when it fails. Throws
   * ImageNotFound, RegistryFailed, InvalidImage.
   */
  pull: { params: ImagePull; result: ImageInfo };
}

export interface ImageLayer {
  digest: string;
  mediaType: string;
  /** Compressed, in bytes. */
  size: number;
  /** Of what it unpacks to. */
  diffId: string;
}

export interface ImageDetails extends ImageInfo {
  /** All names that stand for the same digest, this one included. */
  names: string[];
  mediaType: string;
  /** The manifest for this machine; the same as `digest` where there is no index. */
  manifest: string;
  /** Of the image itself, RFC 3339; absent where it does not say. */
  builtAt?: string;
  config: Omit<ImageConfig, 'name' | 'digest'> & { exposedPorts: string[]; volumes: string[] };
  layers: ImageLayer[];
  /** Containers that are made of it. */
  usedBy: string[];
}

/** What is done to images without a plan. Names are in full, as these calls give them. */
export interface ImageChanges {
  /** `file`: `-` is standard input. */
  load: { namespace: string; file: string };
  /** Ours from now on: what `load` brought. */
  own: { namespace: string; names: string[] };
  tag: { namespace: string; source: string; name: string };
  remove: { namespace: string; names: string[] };
}

/** With `dryRun`, all that can be wrong is found, and nothing is done. */
export interface ImagesBackend extends Backend<ImagesActions> {
  /** The command that a person would type for it. */
  explainChange<K extends keyof ImageChanges>(change: K, params: ImageChanges[K]): string;
  /**
   * Docker archives and OCI layouts, plain or gzipped. What it made is gone again if it fails or is aborted. Of a dry run names and digests
   * are true, and no more.
   */
  load(request: {
    namespace: string;
    /** The archive's bytes. */
    source: AsyncIterable<Uint8Array>;
    signal: AbortSignal;
    progress(message: string): void;
    dryRun?: boolean;
  }): Promise<ImageInfo[]>;
  list(request: { namespace: string }): Promise<ImageInfo[]>;
  /** Throws ImageNotFound. */
  get(request: { namespace: string; name: string }): Promise<ImageConfig>;
  /** Throws ImageNotFound. */
  inspect(request: { namespace: string; name: string }): Promise<ImageDetails>;
  /** A further name for an image; one that stood for another image of ours moves. Returns it in full. Throws ImageNotFound, Conflict. */
  tag(request: { namespace: string; source: string; name: string; dryRun?: boolean }): Promise<string>;
  /**
   * An archive of the images, as a tar: an OCI layout with Docker's manifest.json, so that `load`, `docker load` and `ctr images import`
   * take it. Of an index: what is here for this machine. Throws ImageNotFound and InvalidImage before the first bytes come.
   */
  save(request: { namespace: string; names: string[]; signal: AbortSignal }): Promise<AsyncIterable<Uint8Array>>;
  /** Returns its name in full. Throws ImageNotFound; Conflict while a container uses it. */
  remove(request: { namespace: string; name: string; dryRun?: boolean }): Promise<string>;
  /** Of ours, those without a name of their own that no container uses; with `all` every one that none uses. Never those of `keep`. */
  prune(request: { namespace: string; all: boolean; keep: string[]; dryRun: boolean }): Promise<PrunedImages>;
}

export interface PrunedImages {
  names: string[];
  /** What went with them, compressed and unpacked; 0 for a dry run. */
  bytes: number;
}
