/**
 * Images for tests, made in a few milliseconds from /bin/busybox, without docker and without a registry:
 *
 *     await Bun.write('/tmp/web.tar', dockerArchive({ name: 'docker.io/library/web:1', layers: [busybox(), { 'www/index.html': 'hi' }],
 *       config: { Cmd: ['httpd', '-f', '-h', '/www'] } }));
 *
 * A layer is a record from path to content (tar.ts); `.wh.NAME` in it takes away what a lower layer has (OCI image-spec, layer.md).
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type TarEntry, tar } from './tar.ts';

export type Layer = Record<string, TarEntry>;

/** The `config` part of an OCI image configuration (image-spec, config.md). */
export interface ImageConfig {
  Env?: string[];
  User?: string;
  WorkingDir?: string;
  Entrypoint?: string[];
  Cmd?: string[];
  StopSignal?: string;
  Labels?: Record<string, string>;
  ExposedPorts?: Record<string, Record<string, never>>;
  Volumes?: Record<string, Record<string, never>>;
}

export interface TestImage {
  /** With tag, e.g. `docker.io/library/web:1`. */
  name: string;
  /** Lowest first; busybox alone where not given. */
  layers?: Layer[];
  config?: ImageConfig;
  /** Where it is to run; this machine's where not given. */
  architecture?: string;
}

/** A layer with busybox, a link for each of its applets, /etc/passwd (root, and `user` with id 1000), and an empty /tmp. */
export function busybox(): Layer {
  const applets = Bun.spawnSync(['/bin/busybox', '--list']).stdout.toString().trim().split('\n');
  return {
    'bin/': { folder: true },
    'bin/busybox': { content: readFileSync('/bin/busybox'), mode: 0o755 },
    ...Object.fromEntries(
      applets.filter(name => name !== 'busybox').map(name => [`bin/${name}`, { symlink: 'busybox' }]),
    ),
    'etc/': { folder: true },
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n',
    'etc/group': 'root:x:0:\nuser:x:1000:\n',
    'root/': { folder: true, mode: 0o700 },
    'home/': { folder: true },
    'home/user/': { folder: true, uid: 1000, gid: 1000 },
    'tmp/': { folder: true, mode: 0o1777 },
  };
}

/** What `docker save` writes: manifest.json, a configuration and a tar a layer. */
export function dockerArchive(...images: TestImage[]): Uint8Array<ArrayBuffer> {
  const entries: Record<string, TarEntry> = {};
  const manifest = images.map(image => {
    const { config, layers } = built(image);
    const Layers = layers.map(layer => {
      const path = `${sha256(layer)}/layer.tar`;
      entries[path] = layer;
      return path;
    });
    const Config = `${sha256(config)}.json`;
    entries[Config] = config;
    return { Config, RepoTags: [image.name], Layers };
  });
  return tar({ ...entries, 'manifest.json': JSON.stringify(manifest) });
}

/** An OCI layout as a tar, its layers compressed by gzip; names are in the annotation that containerd and skopeo use. */
export function ociArchive(...images: TestImage[]): Uint8Array<ArrayBuffer> {
  const entries: Record<string, TarEntry> = {};
  const blob = (mediaType: string, content: Uint8Array) => {
    entries[`blobs/sha256/${sha256(content)}`] = content;
    return { mediaType, digest: `sha256:${sha256(content)}`, size: content.length };
  };
  const manifests = images.map(image => {
    const { config, layers } = built(image);
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: blob('application/vnd.oci.image.config.v1+json', config),
      layers: layers.map(layer =>
        blob('application/vnd.oci.image.layer.v1.tar+gzip', Bun.gzipSync(layer, { level: 1 })),
      ),
    };
    return {
      ...blob(manifest.mediaType, Buffer.from(JSON.stringify(manifest))),
      annotations: { 'io.containerd.image.name': image.name, 'org.opencontainers.image.ref.name': image.name },
    };
  });
  const index = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests };
  return tar({
    'oci-layout': JSON.stringify({ imageLayoutVersion: '1.0.0' }),
    'index.json': JSON.stringify(index),
    ...entries,
  });
}

const architectures: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };

function built(image: TestImage): { config: Uint8Array; layers: Uint8Array<ArrayBuffer>[] } {
  const layers = (image.layers ?? [busybox()]).map(tar);
  const config = {
    architecture: image.architecture ?? architectures[process.arch] ?? process.arch,
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: image.config ?? {},
    rootfs: { type: 'layers', diff_ids: layers.map(layer => `sha256:${sha256(layer)}`) },
    history: layers.map(() => ({ created: '1970-01-01T00:00:00Z', created_by: 'a kuke test' })),
  };
  return { config: Buffer.from(JSON.stringify(config)), layers };
}

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
