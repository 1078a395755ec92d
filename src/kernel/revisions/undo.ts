/** Back to an earlier revision: what is applied for that. */
import type { Desired } from '../apply.ts';
import { KukeError } from '../errors.ts';
import { readManifest } from '../manifest.ts';
import type { Kernel } from '../registry.ts';
import { describe, type ResourceRef } from '../resource.ts';
import { refuseDamaged } from '../tree.ts';
import { type Revision, revisionsOf } from './revision.ts';

/** To the one before the last, or to that of this number. Whether it runs stays as it is. Throws NotFound where there is none. */
export function inRevision(kernel: Kernel, ref: ResourceRef, to?: number): Exclude<Desired, readonly unknown[]> {
  return async tree => {
    refuseDamaged(tree, ref, 'itself');
    const revisions = await revisionsOf(kernel, tree.get(ref));
    const target = to === undefined ? revisions.at(-2) : revisions.find(({ revision }) => revision === to);
    if (target === undefined) throw noSuchRevision(ref, revisions, to);
    return [await readManifest(kernel, target.manifest)];
  };
}

export function noSuchRevision(ref: ResourceRef, revisions: readonly Revision[], to?: number): KukeError {
  const which = to === undefined ? 'it has no earlier revision' : `it has no revision ${to}`;
  const kept = revisions.map(({ revision }) => revision).join(', ');
  return new KukeError('NotFound', which, { resource: describe(ref), remedy: `these are kept: ${kept}` });
}
