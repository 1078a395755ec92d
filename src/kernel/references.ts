/** What resources need of one another: those they lie in, and those they refer to, as a cell to the spaces that it joins. */
import type { Outcome } from './apply.ts';
import { KukeError, type Remedy } from './errors.ts';
import type { Resource } from './kinds.ts';
import type { Verb } from './planning.ts';
import type { Kernel } from './registry.ts';
import { describe, keyOf, nameOf, type ResourceRef } from './resource.ts';
import { type ResourceTree, refuseDamaged, refuseOtherCase } from './tree.ts';

/** What it refers to, as its kind tells from its manifest. */
function referencesOf(kernel: Kernel, resource: Resource): ResourceRef[] {
  return kernel.kinds.get(resource.ref.kind).references?.(resource) ?? [];
}

/** Tells who in the tree refers to a resource; who has left the tree by then does no more. */
export function referrersIn(kernel: Kernel, tree: ResourceTree): (ref: ResourceRef) => Resource[] {
  const pairs = tree.all().flatMap(one => referencesOf(kernel, one).map(ref => ({ key: keyOf(ref), one })));
  const byKey = Map.groupBy(pairs, ({ key }) => key);
  return ref => (byKey.get(keyOf(ref)) ?? []).map(({ one }) => one).filter(one => tree.find(one.ref) !== undefined);
}

/**
 * Throws NotFound when what it lies in is not there, or what it refers to; the latter is not asked of what is only to be
 * stopped or limited. `earlier`: what became of others in the same command.
 */
export function requireNeeded(
  kernel: Kernel,
  tree: ResourceTree,
  resource: Resource,
  verb: Verb,
  earlier: readonly Outcome[],
): void {
  const { kind, path } = resource.ref;
  const parents = kernel.kinds.above(kind).map((parent, index) => ({
    kind: parent.kind,
    path: path.slice(0, index + 1),
  }));
  // What comes before it is its kind's to ask for, save where this command could not make it.
  const before = (kernel.kinds.get(kind).precedence?.(resource) ?? []).filter(
    ref => tree.find(ref) === undefined && earlier.some(one => keyOf(one.ref) === keyOf(ref)),
  );
  const references = SELF_RELIANT.has(verb) ? [] : [...referencesOf(kernel, resource), ...before];
  for (const needed of [...parents, ...references]) requireThere(kernel, tree, needed, resource.ref, earlier);
}

const SELF_RELIANT: ReadonlySet<Verb> = new Set<Verb>(['stop', 'kill', 'limit']);

function requireThere(
  kernel: Kernel,
  tree: ResourceTree,
  needed: ResourceRef,
  by: ResourceRef,
  earlier: readonly Outcome[],
): void {
  refuseDamaged(tree, needed, 'itself');
  const there = tree.find(needed);
  if (there !== undefined) {
    refuseOtherCase(there.ref, needed);
    return;
  }
  const failed = earlier.find(outcome => keyOf(outcome.ref) === keyOf(needed));
  const message = failed ? `${describe(needed)} could not be made` : `there is no ${describe(needed)}`;
  const remedy: Remedy = words =>
    words(`make it first: \`${createCommand(kernel, needed)}\``, 'apply it first, or in the same request');
  throw new KukeError(failed ? 'Failed' : 'NotFound', message, {
    resource: describe(by),
    remedy: failed ? 'see its own error' : remedy,
  });
}

/** `kuke create stack blog --realm main --space default` */
export function createCommand({ kinds }: Pick<Kernel, 'kinds'>, ref: ResourceRef): string {
  const scope = kinds.above(ref.kind).map(({ kind }, index) => ` --${kind.toLowerCase()} ${ref.path[index]}`);
  return `kuke create ${ref.kind.toLowerCase()} ${nameOf(ref)}${scope.join('')}`;
}
