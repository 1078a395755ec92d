/** All that is known of a resource: its manifest, what it uses, what is in it, and what was done to it last. */

import { readAudit } from '../../kernel/audit.ts';
import type { CgroupUsage, ImageInfo } from '../../kernel/backends/index.ts';
import { groupOf } from '../../kernel/cgroups.ts';
import { asKukeError } from '../../kernel/errors.ts';
import type { KindDefinition, Resource } from '../../kernel/kinds.ts';
import { makeObserveContext, observed } from '../../kernel/observe.ts';
import { inParallel } from '../../kernel/parallel.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { describe } from '../../kernel/resource.ts';
import type { ResourceTree } from '../../kernel/tree.ts';
import { type Operation, operationsOn } from './operations.ts';

export interface Description {
  kind: KindDefinition;
  /** The kinds above, with the names there. */
  above: [kind: string, name: string][];
  resource: Resource;
  /** Its manifest's, or its parent's that declares it. */
  file?: string;
  usage?: CgroupUsage;
  children: Resource[];
  /** Newest first. */
  operations: Operation[];
  /** Of a realm: those that it has. */
  images?: ImageInfo[];
  /** What could not be found out, and why. */
  unknown: string[];
}

const OPERATIONS = 10;

export async function gather(
  kernel: Kernel,
  tree: ResourceTree,
  resource: Resource,
  auditFile: string,
): Promise<Description> {
  const kind = kernel.kinds.get(resource.ref.kind);
  const unknown: string[] = [];
  const known = async <T>(what: string, ask: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await ask();
    } catch (thrown) {
      unknown.push(`${what}: ${asKukeError(thrown).fault}`);
      return undefined;
    }
  };
  const { path } = resource.ref;
  // Of what is declared within another, the operations and the file are that one's.
  const owner = kind.embedded === undefined ? resource.ref : { kind: kind.parent ?? '', path: path.slice(0, -1) };
  const store = await kernel.use('store');
  const group = groupOf(kernel.kinds, resource);
  const usage = await known('use', async () => {
    const groups = group === undefined ? [] : await (await kernel.use('cgroup')).usage(group);
    return groups.find(one => one.path === group);
  });
  const context = makeObserveContext(tree);
  const below = kind.embedded === undefined ? tree.children(resource.ref) : [];
  const children = await inParallel(below, 8, child => observed(kernel, context, child));
  const entries = (await known('operations', () => readAudit(auditFile, describe(owner)))) ?? [];
  const operations = operationsOn(describe(owner), entries, OPERATIONS);
  const { namespace } = resource.spec;
  const images =
    resource.ref.kind === 'Realm' && typeof namespace === 'string'
      ? await known('images', async () => (await kernel.use('images')).list({ namespace }))
      : undefined;
  const file = store.manifestPath?.(owner);
  return {
    kind,
    above: kernel.kinds.above(kind.kind).map((parent, index) => [parent.kind, path[index] ?? '']),
    resource,
    ...(file !== undefined && { file }),
    ...(usage !== undefined && { usage }),
    children,
    operations,
    ...(images !== undefined && { images }),
    unknown,
  };
}
