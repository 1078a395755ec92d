/** What `kuke doctor` says of manifests: those that cannot be read, and those that are missing above others. */
import type { Finding } from './extensible.ts';
import { createCommand } from './references.ts';
import type { Kernel } from './registry.ts';
import { describe, keyOf } from './resource.ts';
import type { ResourceTree } from './tree.ts';

/** How many of those below are named. */
const MOST = 5;

export function treeFindings(kernel: Kernel, tree: ResourceTree): Finding[] {
  return [...tree.problems.map(asFinding), ...missingParents(kernel, tree)];
}

function asFinding({ path, ref, message }: ResourceTree['problems'][number]): Finding {
  const remedy =
    ref === undefined
      ? `if it is not kuke's, move it away: ${path}`
      : `mend it, or remove it (\`rm ${path}\`) and apply the manifest again: what runs is found by its labels`;
  return { level: 'error', code: 'MetadataCorrupt', what: `${path}: ${message}`, remedy };
}

function missingParents({ kinds }: Kernel, tree: ResourceTree): Finding[] {
  const lacking = tree.all().flatMap(({ ref }) => {
    const missing = tree.missingAbove(ref);
    if (missing === undefined) return [];
    // The tree spells kinds as users type them.
    return [{ missing: { ...missing, kind: kinds.lookup(missing.kind).kind }, name: describe(ref) }];
  });
  return [...Map.groupBy(lacking, ({ missing }) => keyOf(missing)).values()].flatMap(same => {
    const [first] = same;
    if (first === undefined) return [];
    const names = same.slice(0, MOST).map(({ name }) => name);
    const more = same.length > MOST ? ` and ${same.length - MOST} more` : '';
    const resource = describe(first.missing);
    return {
      level: 'error' as const,
      code: 'ParentMissing',
      resource,
      what: `${resource} has no manifest any more, and these lie in it: ${names.join(', ')}${more}`,
      remedy: `apply its manifest again, or \`sudo ${createCommand({ kinds }, first.missing)}\`, which gives it none of its settings`,
    };
  });
}
