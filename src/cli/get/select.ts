/** Which resources a command that reads is about, each with the status that the host gives it now. */
import type { KindDefinition, Resource } from '../../kernel/kinds.ts';
import { didYouMean } from '../../kernel/names.ts';
import { embedded, makeObserveContext, observed } from '../../kernel/observe.ts';
import { inParallel } from '../../kernel/parallel.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { describe, nameOf } from '../../kernel/resource.ts';
import { matchesSelector, type Selector } from '../../kernel/selector.ts';
import { notFound, type ResourceTree } from '../../kernel/tree.ts';
import { refFor, scopePath } from '../scope.ts';

const AT_ONCE = 8;

/** What the command line says: KIND, NAME, -A, -l and the scope flags. */
export interface Wanted {
  kind: KindDefinition;
  name?: string;
  all: boolean;
  selector: Selector;
  /** `realm`, `space`, `stack`, `cell`. */
  flags: Record<string, unknown>;
  /** Their names alone are wanted: the host is not asked. */
  isNamesOnly?: boolean;
}

/** Throws NotFound for a name that is not there. */
export async function selectResources(kernel: Kernel, tree: ResourceTree, wanted: Wanted): Promise<Resource[]> {
  const stored = storedResources(kernel, tree, wanted);
  const context = makeObserveContext(tree);
  const seen = wanted.isNamesOnly
    ? stored
    : await inParallel(stored, AT_ONCE, resource => observed(kernel, context, resource));
  const resources = declared(kernel, wanted, seen);
  return resources.filter(({ manifest }) => matchesSelector(wanted.selector, manifest.metadata.labels ?? {}));
}

/** `there is no realm lab; did you mean \`lap\`?`: what of the place that is asked for is not there. */
export function missingPlace(kernel: Kernel, tree: ResourceTree, { kind, all, flags }: Wanted): string | undefined {
  if (all || tree.all().length === 0) return undefined;
  const isIn = kind.embedded !== undefined && flags.cell === undefined ? kernel.kinds.get(kind.parent ?? '') : kind;
  const missing = tree.missingAbove({ kind: isIn.kind, path: [...scopePath(kernel, isIn, flags), ''] });
  if (missing === undefined) return undefined;
  const { length } = missing.path;
  const siblings = tree.all(undefined, missing.path.slice(0, -1)).filter(({ ref }) => ref.path.length === length);
  const near = didYouMean(
    nameOf(missing),
    siblings.map(({ ref }) => nameOf(ref)),
  );
  return `there is no ${describe(missing)}${near}`;
}

/** Of an embedded kind: the resources that declare it. */
function storedResources(kernel: Kernel, tree: ResourceTree, { kind, name, all, flags }: Wanted): Resource[] {
  const stored = kind.embedded === undefined ? kind : kernel.kinds.get(kind.parent ?? '');
  if (all && name === undefined) return tree.all(stored.kind);
  if (kind.embedded !== undefined) {
    const path = flags.cell === undefined ? scopePath(kernel, stored, flags) : scopePath(kernel, kind, flags);
    return flags.cell === undefined ? tree.all(stored.kind, path) : [tree.get({ kind: stored.kind, path })];
  }
  if (name !== undefined) return [tree.get(refFor(kernel, kind, name, flags))];
  return tree.all(kind.kind, scopePath(kernel, kind, flags));
}

function declared(kernel: Kernel, { kind, name }: Wanted, seen: Resource[]): Resource[] {
  if (kind.embedded === undefined) return seen;
  const all = embedded(kernel, kind.kind, seen);
  if (name === undefined) return all;
  const found = all.filter(({ ref }) => nameOf(ref).toLowerCase() === name.toLowerCase());
  if (found.length > 0) return found;
  const known = new Set(all.map(({ ref }) => nameOf(ref)));
  throw notFound(`${kind.kind.toLowerCase()} ${name}`, name, [...known]);
}
