/** What is stored, and what the host says of it (design.md, idea 3). */
import { asKukeError, KukeError } from './errors.ts';
import type { FieldIssue } from './extensible.ts';
import type { KindRegistry, ObserveContext, Resource, ResourceOf } from './kinds.ts';
import { toResource } from './manifest.ts';
import { othersTurn } from './others-turn.ts';
import type { Kernel } from './registry.ts';
import { describe, keyOf, type Manifest, type ResourceRef } from './resource.ts';
import { faultsOf } from './schema.ts';
import { traced } from './trace.ts';
import { makeTree, type ResourceTree } from './tree.ts';

/** One observation of each thing, shared by all that ask for it while this context lives. */
export function makeObserveContext(tree: ResourceTree, only?: ResourceRef): ObserveContext {
  const seen = new Map<string, Promise<unknown>>();
  return {
    now: new Date().toISOString(),
    tree,
    ...(only && { only }),
    ancestor(of, kind) {
      for (let depth = of.path.length - 1; depth > 0; depth--) {
        const found = tree.find({ kind, path: of.path.slice(0, depth) });
        // The tree holds what the kind's own schema has parsed.
        if (found !== undefined) return found as ResourceOf<typeof kind>;
      }
      throw new KukeError('NotFound', `it has no ${kind.toLowerCase()}`, { resource: describe(of) });
    },
    once<T>(key: string, observe: () => Promise<T>): Promise<T> {
      const known = seen.get(key) ?? observe();
      seen.set(key, known);
      return known as Promise<T>;
    },
  };
}

/** The tree as stored; `only`: as far as these lie in it. What cannot be read, or is not valid any more, is a problem with its path; the rest is there. */
export const readTree = (kernel: Kernel, only?: readonly ResourceRef[]): Promise<ResourceTree> =>
  traced('command', 'read the tree', () => read(kernel, only));

async function read(kernel: Kernel, only?: readonly ResourceRef[]): Promise<ResourceTree> {
  kernel.forgetInstance();
  const store = await kernel.use('store');
  const { resources, problems: unreadable } = await store.list(only);
  const problems = [...unreadable];
  const valid: Resource[] = [];
  for (const { ref, manifest } of resources) {
    await othersTurn();
    const path = store.manifestPath?.(ref) ?? describe(ref);
    const spoilt = (message: string) => problems.push({ path, ref, message });
    try {
      const resource = resourceOf(kernel.kinds, manifest);
      if (keyOf(resource.ref) === keyOf(ref)) valid.push(resource);
      else spoilt(`its manifest says that it is ${describe(resource.ref)}`);
    } catch (thrown) {
      const [fault] = faultsIn(kernel, manifest);
      spoilt(`its manifest is not valid: ${fault ? `${fault.path}: ${fault.message}` : asKukeError(thrown).message}`);
    }
  }
  const lineages = new Map(
    kernel.kinds.all().map(({ kind }) => {
      const names = [...kernel.kinds.above(kind).map(parent => parent.kind), kind].map(name => name.toLowerCase());
      return [kind.toLowerCase(), names];
    }),
  );
  const parts = new Map(
    kernel.kinds
      .all()
      .flatMap(({ kind, parent, embedded }) => (embedded ? [[parent, kind.toLowerCase()] as const] : [])),
  );
  return makeTree(valid, problems, {
    lineage: kind => lineages.get(kind.toLowerCase()),
    partOf: kind => parts.get(kind),
  });
}

const resourcesOf = new WeakMap<KindRegistry, WeakMap<Manifest, Resource>>();

/** The same for the very same manifest: a store may give what it has given before, where that has not changed. */
function resourceOf(kinds: KindRegistry, manifest: Manifest): Resource {
  const known = resourcesOf.get(kinds) ?? new WeakMap<Manifest, Resource>();
  resourcesOf.set(kinds, known);
  const resource = known.get(manifest) ?? toResource(kinds, manifest);
  known.set(manifest, resource);
  return resource;
}

/** What the kind's schema finds wrong; nothing where no plugin knows the kind. */
function faultsIn({ kinds }: Kernel, { kind, spec }: Manifest): FieldIssue[] {
  const known = kinds.all().find(one => one.kind === kind);
  return known === undefined ? [] : faultsOf(known.spec, spec, ['spec']);
}

/** The resource with the status that the host gives it now. What cannot be determined is `Unknown`, with the reason. */
export async function observed(kernel: Kernel, context: ObserveContext, resource: Resource): Promise<Resource> {
  await othersTurn();
  const { observe } = kernel.kinds.lifecycle(resource.ref.kind);
  const seen = traced('command', 'observe', () => observe(context, resource), describe(resource.ref));
  const status = await seen.catch((thrown: unknown) => {
    const error = asKukeError(thrown);
    return { ...resource.manifest.status, state: 'Unknown', reason: error.code, message: error.message };
  });
  return { ...resource, manifest: { ...resource.manifest, status: { ...status, observedAt: context.now } } };
}

/** The resources that others declare, such as the containers of cells. */
export function embedded(kernel: Kernel, kind: string, parents: Resource[]): Resource[] {
  const definition = kernel.kinds.get(kind);
  return parents.flatMap(parent => definition.embedded?.(parent) ?? []);
}
