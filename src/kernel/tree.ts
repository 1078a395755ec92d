/** The resources of a host, by name and by place. */
import type { StoreProblem } from './backends/index.ts';
import { KukeError } from './errors.ts';
import type { Resource } from './kinds.ts';
import { describe, keyOf, nameOf, type ResourceRef } from './resource.ts';

export interface ResourceTree {
  problems: StoreProblem[];
  /** All, parents before their children, else by name. */
  all(kind?: string): Resource[];
  find(ref: ResourceRef): Resource | undefined;
  /** Throws NotFound, and names what is there under that parent. */
  get(ref: ResourceRef): Resource;
  /** Everything directly below. */
  children(ref: ResourceRef): Resource[];
  /** Everything below, parents first. */
  descendants(ref: ResourceRef): Resource[];
  set(resource: Resource): void;
  remove(ref: ResourceRef): void;
}

/** Throws MetadataCorrupt when the file of the resource itself, of one above it, or (`below`) of one in it cannot be read. */
export function refuseDamaged(tree: ResourceTree, ref: ResourceRef, which: 'itself' | 'below'): void {
  const place = `${ref.path.join('/').toLowerCase()}/`;
  const problem = tree.problems.find(({ ref: damaged }) => {
    if (damaged === undefined) return false;
    const other = `${damaged.path.join('/').toLowerCase()}/`;
    return place.startsWith(other) || (which === 'below' && other.startsWith(place));
  });
  if (problem !== undefined) {
    throw new KukeError('MetadataCorrupt', `${problem.path}: ${problem.message}`, { resource: describe(ref) });
  }
}

/** Throws Conflict when `ref` spells a name otherwise than `there`, which is the same to the tree and not to the host. */
export function refuseOtherCase(there: ResourceRef, ref: ResourceRef): void {
  if (there.path.join('/') === ref.path.join('/')) return;
  throw new KukeError('Conflict', `names that differ only in case are one: ${describe(there)} exists`, {
    resource: describe(ref),
  });
}

const byPlace = (a: Resource, b: Resource): number =>
  a.ref.path.length - b.ref.path.length || a.ref.path.join('/').localeCompare(b.ref.path.join('/'));

export function makeTree(resources: Iterable<Resource>, problems: StoreProblem[] = []): ResourceTree {
  const byKey = new Map<string, Resource>();
  for (const resource of resources) byKey.set(keyOf(resource.ref), resource);
  const below = (ref: ResourceRef, depth: number): Resource[] => {
    const prefix = `${ref.path.join('/').toLowerCase()}/`;
    return [...byKey.values()]
      .filter(({ ref: { path } }) => path.length > ref.path.length && path.length <= ref.path.length + depth)
      .filter(({ ref: { path } }) => `${path.join('/').toLowerCase()}/`.startsWith(prefix))
      .sort(byPlace);
  };
  const find = (ref: ResourceRef): Resource | undefined => byKey.get(keyOf(ref));
  return {
    problems,
    all: kind => [...byKey.values()].filter(({ ref }) => kind === undefined || ref.kind === kind).sort(byPlace),
    find,
    get(ref) {
      const found = find(ref);
      if (found !== undefined) return found;
      const siblings = [...byKey.values()].filter(
        other =>
          other.ref.kind === ref.kind && other.ref.path.slice(0, -1).join('/') === ref.path.slice(0, -1).join('/'),
      );
      const known = siblings.map(other => nameOf(other.ref)).sort();
      const there = known.length === 0 ? 'there is none there' : `there: ${known.slice(0, 10).join(', ')}`;
      throw new KukeError('NotFound', `not found; ${there}`, { resource: describe(ref) });
    },
    children: ref => below(ref, 1),
    descendants: ref => below(ref, Number.POSITIVE_INFINITY),
    set: resource => byKey.set(keyOf(resource.ref), resource),
    remove: ref => byKey.delete(keyOf(ref)),
  };
}
