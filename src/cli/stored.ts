import type { Resource } from '../kernel/kinds.ts';
import { type ResourceTree, refuseOtherCase } from '../kernel/tree.ts';

/** For `apply`: what exists is left as it is, since the command says nothing about the fields that it cannot set. */
export const unlessStored =
  (...resources: Resource[]) =>
  (tree: ResourceTree): Resource[] =>
    resources.map(resource => {
      const there = tree.find(resource.ref);
      if (there !== undefined) refuseOtherCase(there.ref, resource.ref);
      return there ?? resource;
    });
