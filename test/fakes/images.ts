/** Images in memory. Their archives are JSON: see `fakeArchive`. */
import type { ImageConfig, ImageInfo, ImagesBackend } from '../../src/kernel/backends/index.ts';
import { KukeError } from '../../src/kernel/errors.ts';
import { abortable, type FakeHost, type FakeNamespace, processOn } from './host.ts';

export type FakeImage = Partial<ImageConfig> & { name: string };

/** Docker's short names: `busybox` is `docker.io/library/busybox:latest`. */
export function normaliseImageName(name: string): string {
  const [first = '', ...rest] = name.split('/');
  const hasDomain = rest.length > 0 && /[.:]|^localhost$/.test(first);
  const [domain, path] = hasDomain ? [first, rest.join('/')] : ['docker.io', name];
  const repository = `${domain}/${domain === 'docker.io' && !path.includes('/') ? 'library/' : ''}${path}`;
  return /[:@][^/]*$/.test(repository) ? repository : `${repository}:latest`;
}

export function imageConfig(image: FakeImage): ImageConfig {
  const digest = `sha256:${new Bun.CryptoHasher('sha256').update(JSON.stringify(image)).digest('hex')}`;
  const defaults = { digest, entrypoint: [], cmd: ['/bin/sh'], env: [], user: '', workingDir: '/', labels: {} };
  return { ...defaults, ...image, name: normaliseImageName(image.name) };
}

/** Puts an image into a namespace, as `ctr images import` would. */
export function addImage(namespace: FakeNamespace, image: FakeImage): ImageInfo {
  const config = imageConfig(image);
  const { name, digest } = config;
  const info: ImageInfo = { name, digest, size: 1024, platforms: ['linux/amd64'], createdAt: '2024-01-01T00:00:00Z' };
  namespace.images.set(name, { info, config });
  return info;
}

/** The bytes that `load` takes for these images. */
export function fakeArchive(...images: FakeImage[]): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(images));
}

export function fakeImages(host: FakeHost): ImagesBackend {
  const { read } = processOn(host);
  const requireRuntime = () => {
    if (!host.runtime.up) throw new KukeError('RuntimeUnavailable', 'containerd does not answer');
  };
  const find = (namespace: string, name: string) => {
    requireRuntime();
    const images = host.runtime.namespaces.get(namespace)?.images;
    const found = images?.get(normaliseImageName(name));
    if (images === undefined || found === undefined)
      throw new KukeError('ImageNotFound', `${name} is not in ${namespace}`);
    return { ...found, images };
  };
  return {
    async load({ namespace, source, signal, progress }) {
      await read('images.load', requireRuntime, signal);
      const chunks: Uint8Array[] = [];
      const received = (async () => {
        for await (const chunk of source) chunks.push(chunk);
      })();
      await abortable(signal, received);
      const target = host.runtime.namespaces.get(namespace);
      if (target === undefined) throw new KukeError('NotFound', `no namespace ${namespace}`);
      const images = parse(Buffer.concat(chunks).toString());
      progress(`unpacking ${images.length} images`);
      return structuredClone(images.map(image => addImage(target, image)));
    },
    list: ({ namespace }) =>
      read('images.list', () => {
        requireRuntime();
        return [...(host.runtime.namespaces.get(namespace)?.images.values() ?? [])].map(({ info }) => info);
      }),
    get: ({ namespace, name }) => read('images.get', () => find(namespace, name).config),
    remove: ({ namespace, name }) =>
      read('images.remove', () => {
        const { info, images } = find(namespace, name);
        const containers = host.runtime.namespaces.get(namespace)?.containers ?? new Map();
        const user = [...containers].find(([, { image }]) => image.name === info.name);
        if (user !== undefined) throw new KukeError('Conflict', `container ${user[0]} uses ${info.name}`);
        images.delete(info.name);
      }),
  };
}

function parse(text: string): FakeImage[] {
  try {
    const images: unknown = JSON.parse(text);
    if (Array.isArray(images) && images.length > 0) return images;
  } catch (cause) {
    throw new KukeError('InvalidImage', `no archive: ${String(cause)}`, { cause });
  }
  throw new KukeError('InvalidImage', 'no images in the archive');
}
