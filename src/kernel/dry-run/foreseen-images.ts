import type { ImageConfig, ImageInfo, ImagesBackend } from '../backends/index.ts';
import { KukeError } from '../errors.ts';
import type { DryRun } from './dry-run.ts';
import { orNone } from './foreseen.ts';

/** Of an image that would be pulled nothing more is known than that it will be there. */
const unseen = {
  digest: '',
  entrypoint: [],
  cmd: [],
  env: [],
  user: '',
  workingDir: '',
  labels: {},
} satisfies Omit<ImageConfig, 'name'>;

export function foreseenImages(real: ImagesBackend, dryRun: DryRun): Partial<ImagesBackend> {
  const pulled = new Set<string>();
  const keyOf = ({ namespace, name }: { namespace: string; name: string }) => `${namespace} ${name}`;
  return {
    async pull(image): Promise<ImageInfo> {
      pulled.add(keyOf(image));
      return { name: image.name, digest: '', size: 0, platforms: [], createdAt: '' };
    },
    load: request => real.load({ ...request, dryRun: true }),
    tag: request => real.tag({ ...request, dryRun: true }),
    remove: request => real.remove({ ...request, dryRun: true }),
    prune: request => real.prune({ ...request, dryRun: true }),
    async get(image) {
      if (pulled.has(keyOf(image))) return { ...unseen, name: image.name };
      const found = await orNone(dryRun, real.get(image), undefined);
      if (found === undefined) throw new KukeError('ImageNotFound', `there is no image ${image.name}`);
      return found;
    },
  };
}
