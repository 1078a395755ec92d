/** The images of a realm, whose changes are audited: what was done stands with the realm. */
import type { Affected } from '../kernel/audit.ts';
import type { ImagesBackend } from '../kernel/backends/index.ts';
import { describe, type ResourceRef } from '../kernel/resource.ts';
import type { CommandAudit } from './audit.ts';

export type ImageChange = 'pull' | 'load' | 'tag' | 'remove' | 'prune';

const DONE: Record<ImageChange, string> = {
  pull: 'pulled',
  load: 'loaded',
  tag: 'tagged',
  remove: 'removed',
  prune: 'removed',
};

export function auditedImages(images: ImagesBackend, realm: ResourceRef, audit: CommandAudit): ImagesBackend {
  return new Proxy(images, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      const call = (...args: unknown[]): unknown => Reflect.apply(value, target, args);
      if (typeof key !== 'string' || !isChange(key)) return call;
      return (request: { dryRun?: boolean }, ...rest: unknown[]) => {
        if (request.dryRun) return call(request, ...rest);
        return audit.of(
          async () => call(request, ...rest),
          result => imagesChanged(realm, key, result),
        );
      };
    },
  });
}

/** What a change of images comes to, from what it returned. */
export const imagesChanged = (realm: ResourceRef, change: ImageChange, result: unknown): Affected[] =>
  namesIn(result).map(name => ({ resource: describe(realm), result: `${DONE[change]} image ${name}` }));

const isChange = (key: string): key is ImageChange => Object.hasOwn(DONE, key);

/** A name, an image, several of them, or those that were removed. */
function namesIn(result: unknown): string[] {
  if (typeof result === 'string') return [result];
  if (Array.isArray(result)) return result.flatMap(namesIn);
  if (typeof result !== 'object' || result === null) return [];
  if ('names' in result) return namesIn(result.names);
  return 'name' in result ? namesIn(result.name) : [];
}
