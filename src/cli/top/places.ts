/** Which cgroup is which resource: the tree of names that `top` shows, down to a level. */
import { groupOf } from '../../kernel/cgroups.ts';
import { KukeError } from '../../kernel/errors.ts';
import type { Resource } from '../../kernel/kinds.ts';
import { embedded } from '../../kernel/observe.ts';
import type { Kernel } from '../../kernel/registry.ts';
import type { ResourceRef } from '../../kernel/resource.ts';
import type { ResourceTree } from '../../kernel/tree.ts';

export interface Place {
  ref: ResourceRef;
  /** `/kukeon/main`; absent: its status does not say yet. */
  cgroup?: string;
  below: Place[];
}

/**
 * From the realms down to the kind `level`. `scope`: the names wanted, by the kind's flag (`{stack: 'blog'}`); where none is given, all.
 * Throws Usage for a flag that is no kind above or at the level, and NotFound where it leaves nothing.
 */
export function placesOf(
  kernel: Kernel,
  tree: ResourceTree,
  level: string,
  scope: Readonly<Record<string, unknown>>,
): Place[] {
  const last = kernel.kinds.lookup(level);
  const lineage = [...kernel.kinds.above(last.kind), last];
  const flags = lineage.map(({ kind }) => kind.toLowerCase());
  const stray = Object.keys(scope).find(flag => scope[flag] !== undefined && !flags.includes(flag));
  if (stray !== undefined) {
    throw new KukeError('Usage', `--${stray} has no meaning with --level ${level}`, {
      remedy: `leave it out, or say --level ${stray}`,
    });
  }
  const isWanted = ({ path }: ResourceRef) =>
    path.every((name, depth) => {
      const wanted = scope[flags[depth] ?? ''];
      return typeof wanted !== 'string' || wanted.toLowerCase() === name.toLowerCase();
    });
  const places: Place[] = [];
  const byPath = new Map<string, Place>();
  for (const { kind, parent, embedded: isEmbedded } of lineage) {
    const all = isEmbedded ? embedded(kernel, kind, tree.all(parent)) : tree.all(kind);
    const wanted = all.filter(({ ref }) => isWanted(ref));
    if (wanted.length === 0 && scope[kind.toLowerCase()] !== undefined) throw nowhere(kind, scope, all);
    for (const resource of wanted) {
      const place = placeOf(kernel, resource);
      byPath.set(pathKey(place.ref.path), place);
      const above = byPath.get(pathKey(place.ref.path.slice(0, -1)));
      (above?.below ?? places).push(place);
    }
  }
  const deepest = flags.findLastIndex(flag => scope[flag] !== undefined);
  return leadingTo(places, deepest + 1);
}

/** Without those in which nothing of that depth is wanted. */
function leadingTo(places: readonly Place[], depth: number): Place[] {
  return places
    .map(place => (place.ref.path.length < depth ? { ...place, below: leadingTo(place.below, depth) } : place))
    .filter(({ ref, below }) => ref.path.length >= depth || below.length > 0);
}

const pathKey = (path: readonly string[]): string => path.join('/').toLowerCase();

function placeOf(kernel: Kernel, resource: Resource): Place {
  const cgroup = groupOf(kernel.kinds, resource);
  return { ref: resource.ref, ...(cgroup !== undefined && { cgroup }), below: [] };
}

function nowhere(kind: string, scope: Readonly<Record<string, unknown>>, all: Resource[]): KukeError {
  const there = all.map(({ ref }) => ref.path.join('/')).slice(0, 10);
  const given = Object.entries(scope).flatMap(([flag, name]) => (name === undefined ? [] : [`--${flag} ${name}`]));
  const message = `no ${kind.toLowerCase()} with ${given.join(' ')}; there: ${there.join(', ') || 'none'}`;
  return new KukeError('NotFound', message);
}
