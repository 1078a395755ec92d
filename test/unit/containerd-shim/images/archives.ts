/** Pieces of image archives for tests that say every byte of them themselves. */
import { type TarEntry, tar } from '../../../host/tar.ts';

export const sha256 = (bytes: Uint8Array | string) =>
  `sha256:${new Bun.CryptoHasher('sha256').update(bytes).digest('hex')}`;

export const text = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

export const architecture = process.arch === 'x64' ? 'amd64' : process.arch;

export const ociTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
};

/** An OCI layout in the making: `blob` adds one and describes it. */
export class Layout {
  readonly entries: Record<string, TarEntry> = { 'oci-layout': text({ imageLayoutVersion: '1.0.0' }) };

  blob(mediaType: string, content: Uint8Array, more: object = {}) {
    const digest = sha256(content);
    this.entries[`blobs/${digest.replace(':', '/')}`] = content;
    return { mediaType, digest, size: content.length, ...more };
  }

  json(mediaType: string, content: unknown, more: object = {}) {
    return this.blob(mediaType, text(content), more);
  }

  /** A manifest with its config and one layer. */
  image(config: object = { os: 'linux', architecture }, more: object = {}) {
    const layer = tar({ 'file.txt': JSON.stringify(config) });
    const rootfs = { type: 'layers', diff_ids: [sha256(layer)] };
    return this.json(
      ociTypes.manifest,
      {
        schemaVersion: 2,
        mediaType: ociTypes.manifest,
        config: this.json(ociTypes.config, { ...config, rootfs }),
        layers: [this.blob(ociTypes.layer, layer)],
      },
      more,
    );
  }

  index(manifests: unknown[], more: object = {}) {
    return this.json(ociTypes.index, { schemaVersion: 2, mediaType: ociTypes.index, manifests }, more);
  }

  archive(manifests: unknown[], more: Record<string, TarEntry> = {}): Uint8Array<ArrayBuffer> {
    return tar({ ...this.entries, 'index.json': text({ schemaVersion: 2, manifests }), ...more });
  }
}

export const named = (name: string) => ({ annotations: { 'io.containerd.image.name': name } });

export async function* inPieces(bytes: Uint8Array, size = 4096): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
