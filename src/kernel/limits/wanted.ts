/** What every cgroup is to have, by the manifests of all that is below and above it. */
import type { KindRegistry, Resource } from '../kinds.ts';
import type { ResourceRef } from '../resource.ts';
import type { ResourceTree } from '../tree.ts';
import type { AskedOfGroup } from './asked.ts';
import { type Reserved, reservedIn } from './reserved.ts';

/** `ref`: whose manifest has it, of a container its cell. */
export type GroupOf = AskedOfGroup & { ref: ResourceRef };

export interface AskedOf {
  /** By path; undefined: nothing that is in the tree asks for it. */
  (path: string): GroupOf | undefined;
  /** Memory that is reserved in each level. */
  reserved(): Reserved;
}

/** It is gone through when somebody asks for the first time. */
export function askedIn(kinds: KindRegistry, tree: ResourceTree): AskedOf {
  let known: { byPath: ReadonlyMap<string, GroupOf>; reserved: Reserved } | undefined;
  const look = () => {
    if (known !== undefined) return known;
    const groups = groupsOf(kinds, tree, tree.all());
    known = { byPath: new Map(groups.map(group => [group.path, group])), reserved: reservedIn(groups) };
    return known;
  };
  return Object.assign((path: string) => look().byPath.get(path), { reserved: () => look().reserved });
}

/** As they are in the tree. */
export function groupsOf(kinds: KindRegistry, tree: ResourceTree, resources: readonly Resource[]): GroupOf[] {
  return resources.flatMap(({ ref }) =>
    (kinds.get(ref.kind).limits?.(tree, tree.get(ref)) ?? []).map(group => ({ ...group, ref })),
  );
}
