/** The resources of a host, by name and by place. */
import type { StoreProblem } from './backends/index.ts';
import { KukeError } from './errors.ts';
import type { Resource } from './kinds.ts';
import { didYouMean } from './names.ts';
import { describe, keyOf, nameOf, type ResourceRef } from './resource.ts';

export interface ResourceTree {
  problems: StoreProblem[];
  /** All, parents before their children, else by name; of one kind, and of those the ones below a path of names. */
  all(kind?: string, below?: readonly string[]): Resource[];
  find(ref: ResourceRef): Resource | undefined;
  /** Throws NotFound, and names what is there under that parent. */
  get(ref: ResourceRef): Resource;
  /** The outermost of those that it would lie in, and that is not there; one whose file cannot be read counts as there. */
  missingAbove(ref: ResourceRef): ResourceRef | undefined;
  /** Everything directly below. */
  children(ref: ResourceRef): Resource[];
  /** Everything below, parents first. */
  descendants(ref: ResourceRef): Resource[];
  /** Whether `inner` is `outer` or lies in it: of two kinds with the same parent, a namesake of the other's contains nothing of it. */
  contains(outer: ResourceRef, inner: ResourceRef): boolean;
  /** What resources of a kind declare within themselves, as people say it: `container`. Undefined: nothing. */
  partOf(kind: string): string | undefined;
  set(resource: Resource): void;
  /** Another one, with these in the place of what is there. */
  with(resources: readonly Resource[]): ResourceTree;
  remove(ref: ResourceRef): void;
}

/** Throws MetadataCorrupt when the file of the resource itself, of one above it, or (`below`) of one in it cannot be read. */
export function refuseDamaged(tree: ResourceTree, ref: ResourceRef, which: 'itself' | 'below'): void {
  const problem = tree.problems.find(({ ref: damaged }) => {
    if (damaged === undefined) return false;
    return tree.contains(damaged, ref) || (which === 'below' && tree.contains(ref, damaged));
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
    remedy: 'spell it as it is there, or give it another name',
  });
}

const NAMED = 10;

/** `resource`: as in `describe`. `known`: the names that are there in its stead. */
export function notFound(resource: string, name: string, known: readonly string[]): KukeError {
  const meant = didYouMean(name, known);
  const there = known.length === 0 ? 'there are none' : `there: ${known.slice(0, NAMED).join(', ')}`;
  const more = known.length > NAMED ? `, and ${known.length - NAMED} more` : '';
  return new KukeError('NotFound', `not found${meant === '' ? ';' : meant} ${there}${more}`, { resource });
}

/** Names are put together once for each, and not for each comparison. */
function inOrder(resources: Iterable<Resource>): Resource[] {
  const keys = Array.from(resources, resource => ({ resource, key: keyed(resource) }));
  keys.sort((a, b) => a.resource.ref.path.length - b.resource.ref.path.length || a.key.localeCompare(b.key));
  return keys.map(({ resource }) => resource);
}

const keyed = ({ ref: { path, kind } }: Resource): string => `${path.join('/')} ${kind}`;

const placeOf = (path: readonly string[]): string => `${path.join('/').toLowerCase()}/`;

/** What a tree has to know of kinds. */
export interface KindPlaces {
  /** It and those above it, outermost first, in lower case; undefined for one that nobody knows. */
  lineage(kind: string): readonly string[] | undefined;
  partOf: ResourceTree['partOf'];
}

export function makeTree(
  resources: Iterable<Resource>,
  problems: StoreProblem[],
  { lineage, partOf }: KindPlaces,
): ResourceTree {
  const byKey = new Map<string, Resource>();
  for (const resource of resources) byKey.set(keyOf(resource.ref), resource);
  // Until something changes: it is asked for again and again.
  let sorted: Resource[] | undefined;
  const all = (kind?: string, below: readonly string[] = []): Resource[] => {
    sorted ??= inOrder(byKey.values());
    return sorted
      .filter(({ ref }) => kind === undefined || ref.kind === kind)
      .filter(({ ref: { path } }) => below.length === 0 || placeOf(path).startsWith(placeOf(below)));
  };
  const contains = (outer: ResourceRef, inner: ResourceRef): boolean => {
    if (!placeOf(inner.path).startsWith(placeOf(outer.path))) return false;
    const kinds = lineage(inner.kind);
    if (kinds === undefined || lineage(outer.kind) === undefined) return true;
    return kinds[outer.path.length - 1] === outer.kind.toLowerCase();
  };
  const below = (ref: ResourceRef): Resource[] =>
    all().filter(other => other.ref.path.length > ref.path.length && contains(ref, other.ref));
  const find = (ref: ResourceRef): Resource | undefined => byKey.get(keyOf(ref));
  const missingAbove = ({ kind, path }: ResourceRef): ResourceRef | undefined => {
    const above = (lineage(kind) ?? []).slice(0, path.length - 1);
    const refs = above.map((one, depth) => ({ kind: one, path: path.slice(0, depth + 1) }));
    const isDamaged = (one: ResourceRef) => problems.some(({ ref }) => ref !== undefined && keyOf(ref) === keyOf(one));
    return refs.find(one => find(one) === undefined && !isDamaged(one));
  };
  return {
    problems,
    all,
    find,
    get(ref) {
      const found = find(ref);
      if (found !== undefined) return found;
      const missing = missingAbove(ref) ?? ref;
      const { kind, path } = missing;
      const known = all(undefined, path.slice(0, -1)).filter(
        other => other.ref.path.length === path.length && other.ref.kind.toLowerCase() === kind.toLowerCase(),
      );
      throw notFound(
        describe(missing),
        nameOf(missing),
        known.map(other => nameOf(other.ref)), // they are in order
      );
    },
    missingAbove,
    children: ref => below(ref).filter(other => other.ref.path.length === ref.path.length + 1),
    descendants: below,
    contains,
    partOf,
    with: others => makeTree([...byKey.values(), ...others], problems, { lineage, partOf }),
    set(resource) {
      byKey.set(keyOf(resource.ref), resource);
      sorted = undefined;
    },
    remove(ref) {
      byKey.delete(keyOf(ref));
      sorted = undefined;
    },
  };
}
