/** What a change of a realm's images comes to, for the audit log: they have no plan. */
import type { Affected } from './audit.ts';
import { describe, type ResourceRef } from './resource.ts';

export type ImageChange = 'pull' | 'load' | 'tag' | 'remove' | 'prune';

const DONE: Record<ImageChange, string> = {
  pull: 'pulled',
  load: 'loaded',
  tag: 'tagged',
  remove: 'removed',
  prune: 'removed',
};

export const isImageChange = (word: string): word is ImageChange => Object.hasOwn(DONE, word);

/** `result`: what it returned. */
export const imagesChanged = (realm: ResourceRef, change: ImageChange, result: unknown): Affected[] =>
  namesIn(result).map(name => ({ resource: describe(realm), result: `${DONE[change]} image ${name}` }));

/** A name, an image, several of them, or those that were removed. */
function namesIn(result: unknown): string[] {
  if (typeof result === 'string') return [result];
  if (Array.isArray(result)) return result.flatMap(namesIn);
  if (typeof result !== 'object' || result === null) return [];
  if ('names' in result) return namesIn(result.names);
  return 'name' in result ? namesIn(result.name) : [];
}
