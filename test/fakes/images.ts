/** Images in memory. Their archives are JSON: see `fakeArchive`. */
import {
  explainWith,
  type ImageConfig,
  type ImageInfo,
  type ImagesActions,
  type ImagesBackend,
  shellCommand,
} from '../../src/kernel/backends/index.ts';
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

/** Puts an image into a registry; gives its digest. */
export function publish(host: FakeHost, image: FakeImage): string {
  const config = imageConfig(image);
  host.registries.set(config.name, config);
  return config.digest;
}

/** The bytes that `load` takes for these images. */
export function fakeArchive(...images: FakeImage[]): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(images));
}

export function fakeImages(host: FakeHost): ImagesBackend {
  const { action, read } = processOn(host);
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
  const usersOf = (namespace: string, names: string[]): string[] => {
    const containers = [...(host.runtime.namespaces.get(namespace)?.containers ?? [])];
    return containers.flatMap(([id, { image }]) => (names.includes(image.name) ? [id] : []));
  };
  return {
    async load({ namespace, source, signal, progress, dryRun }) {
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
      const into = dryRun ? { ...target, images: new Map() } : target;
      return structuredClone(images.map(image => addImage(into, image)));
    },
    pull: action('images.pull', ({ namespace, name }, { progress }) => {
      requireRuntime();
      const target = host.runtime.namespaces.get(namespace);
      if (target === undefined) throw new KukeError('NotFound', `no namespace ${namespace}`);
      const published = host.registries.get(normaliseImageName(name));
      if (published === undefined) throw new KukeError('ImageNotFound', `no registry has ${name}`);
      for (const [done, state] of [
        [0, 'fetching'],
        [1024, 'fetched'],
      ] as const) {
        progress(`layer 1 of 1: ${state}`, { of: published.name, title: 'layer 1 of 1', done, total: 1024, state });
      }
      return addImage(target, published);
    }),
    explain: explainWith<ImagesActions>({
      pull: ({ namespace, name }) => shellCommand('ctr', '-n', namespace, 'images', 'pull', normaliseImageName(name)),
    }),
    explainChange: (change, { namespace, ...params }) =>
      shellCommand('ctr', '-n', namespace, 'images', change, ...Object.values(params).flat().map(String)),
    isThere: async () => false,
    inspect: ({ namespace, name }) =>
      read('images.inspect', () => {
        const { info, config, images } = find(namespace, name);
        const { name: _, digest, ...rest } = config;
        const names = [...images].flatMap(([other, image]) => (image.info.digest === digest ? [other] : []));
        const layer = { digest, mediaType: 'layer', size: info.size, diffId: digest };
        const details = { ...info, names: names.sort(), mediaType: 'manifest', manifest: digest, layers: [layer] };
        return { ...details, config: { ...rest, exposedPorts: [], volumes: [] }, usedBy: usersOf(namespace, names) };
      }),
    tag: ({ namespace, source, name, dryRun }) =>
      read('images.tag', () => {
        if (name.includes('@')) throw new KukeError('Usage', `${name} names a digest`);
        const { info, config, images } = find(namespace, source);
        const full = normaliseImageName(name);
        if (!dryRun) images.set(full, { info: { ...info, name: full }, config: { ...config, name: full } });
        return full;
      }),
    save: ({ namespace, names, signal }) =>
      read('images.save', () => names.map(name => find(namespace, name).config), signal).then(configs =>
        (async function* () {
          yield fakeArchive(...configs);
        })(),
      ),
    prune: ({ namespace, all, keep, dryRun }) =>
      read('images.prune', () => {
        requireRuntime();
        const images = host.runtime.namespaces.get(namespace)?.images ?? new Map();
        const kept = new Set(keep.map(normaliseImageName));
        const unused = [...images.keys()].filter(
          name => !kept.has(name) && usersOf(namespace, [name]).length === 0 && (all || name.startsWith('sha256:')),
        );
        if (!dryRun) for (const name of unused) images.delete(name);
        return { names: unused, bytes: dryRun ? 0 : unused.length * 1024 };
      }),
    list: ({ namespace }) =>
      read('images.list', () => {
        requireRuntime();
        return [...(host.runtime.namespaces.get(namespace)?.images.values() ?? [])].map(({ info }) => info);
      }),
    get: ({ namespace, name }) => read('images.get', () => find(namespace, name).config),
    remove: ({ namespace, name, dryRun }) =>
      read('images.remove', () => {
        const { info, images } = find(namespace, name);
        const [user] = usersOf(namespace, [info.name]);
        if (user !== undefined) throw new KukeError('Conflict', `container ${user} uses ${info.name}`);
        if (!dryRun) images.delete(info.name);
        return info.name;
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
