/** What every cgroup is to have, by the manifests of all that is below and above it. */
import type { KindRegistry, Resource } from '../kinds.ts';
import type { ResourceRef } from '../resource.ts';
import type { ResourceTree } from '../tree.ts';
import type { AskedOfGroup } from './asked.ts';

/** `ref`: whose manifest has it, of a container its cell. */
export type GroupOf = AskedOfGroup & { ref: ResourceRef };

/** By path; undefined: nothing that is in the tree asks for it. */
export type AskedOf = (path: string) => GroupOf | undefined;

/** It is gone through when somebody asks for the first time. */
export function askedIn(kinds: KindRegistry, tree: ResourceTree): AskedOf {
  let byPath: ReadonlyMap<string, GroupOf> | undefined;
  return path => {
    byPath ??= new Map(groupsOf(kinds, tree, tree.all()).map(group => [group.path, group]));
    return byPath.get(path);
  };
}

/** As they are in the tree. */
export function groupsOf(kinds: KindRegistry, tree: ResourceTree, resources: readonly Resource[]): GroupOf[] {
  return resources.flatMap(({ ref }) =>
    (kinds.get(ref.kind).limits?.(tree, tree.get(ref)) ?? []).map(group => ({ ...group, ref })),
  );
}
