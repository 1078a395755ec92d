/** The images of a realm, whose changes are audited: what was done stands with the realm. */
import type { ImagesBackend } from '../kernel/backends/index.ts';
import { imagesChanged, isImageChange } from '../kernel/image-changes.ts';
import type { ResourceRef } from '../kernel/resource.ts';
import type { CommandAudit } from './audit.ts';

export function auditedImages(images: ImagesBackend, realm: ResourceRef, audit: CommandAudit): ImagesBackend {
  return new Proxy(images, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      const call = (...args: unknown[]): unknown => Reflect.apply(value, target, args);
      if (typeof key !== 'string' || !isImageChange(key)) return call;
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
