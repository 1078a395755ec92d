/** The hierarchy with what the host says of each: state, addresses, use. */
import type { CgroupUsage } from '../../kernel/backends/index.ts';
import { CGROUP_ROOT, groupOf } from '../../kernel/cgroups.ts';
import type { KindDefinition, Resource } from '../../kernel/kinds.ts';
import { embedded, makeObserveContext, observed } from '../../kernel/observe.ts';
import { inParallel } from '../../kernel/parallel.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { nameOf, type ResourceRef } from '../../kernel/resource.ts';
import type { ResourceTree } from '../../kernel/tree.ts';

export interface TreeNode {
  kind: string;
  name: string;
  path: readonly string[];
  state: string;
  reason?: string;
  /** Of a space its subnet, of a cell its addresses. */
  addresses?: string;
  /** What the host does not count is absent. */
  memoryBytes?: number;
  /** Since its group was made. */
  cpuSeconds?: number;
  children: TreeNode[];
}

export interface TreeOptions {
  /** Absent: all realms. */
  root?: ResourceRef;
  /** The kind that is shown last. */
  level: KindDefinition;
}

/** Throws NotFound. */
export async function treeNodes(kernel: Kernel, tree: ResourceTree, { root, level }: TreeOptions): Promise<TreeNode[]> {
  const context = makeObserveContext(tree);
  const deepest = kernel.kinds.above(level.kind).length + 1;
  const wanted = (root === undefined ? tree.all() : [tree.get(root), ...tree.descendants(root)]).filter(
    ({ ref }) => ref.path.length <= deepest,
  );
  const [seen, usage] = await Promise.all([
    inParallel(wanted, 8, resource => observed(kernel, context, resource)),
    usageByGroup(kernel),
  ]);
  const declared = kernel.kinds.all().filter(kind => kind.embedded && kernel.kinds.above(kind.kind).length < deepest);
  const all = [...seen, ...declared.flatMap(({ kind, parent }) => embedded(kernel, kind, seen.filter(isOf(parent))))];
  const nodes = all.map(resource => ({ resource, node: nodeOf(kernel, resource, usage) }));
  const byPath = new Map(nodes.map(({ node }) => [keyOf(node.path), node]));
  const top: TreeNode[] = [];
  for (const { node } of nodes) (byPath.get(keyOf(node.path.slice(0, -1)))?.children ?? top).push(node);
  return top;
}

const keyOf = (path: readonly string[]): string => path.join('/').toLowerCase();

const isOf =
  (kind: string | undefined) =>
  ({ ref }: Resource): boolean =>
    ref.kind === kind;

/** A host without cgroups of kuke's counts nothing. */
async function usageByGroup(kernel: Kernel): Promise<Map<string, CgroupUsage>> {
  const groups = await kernel
    .use('cgroup')
    .then(cgroup => cgroup.usage(CGROUP_ROOT))
    .catch((): CgroupUsage[] => []);
  return new Map(groups.map(group => [group.path, group]));
}

/** A kind says itself which of its columns holds addresses. */
const ADDRESS_COLUMNS = ['ADDRESSES', 'ADDRESS', 'SUBNET'];

function nodeOf(kernel: Kernel, resource: Resource, usage: ReadonlyMap<string, CgroupUsage>): TreeNode {
  const { ref, manifest } = resource;
  const { state, reason } = manifest.status ?? {};
  const { columns } = kernel.kinds.get(ref.kind);
  const column = ADDRESS_COLUMNS.map(header => columns.find(one => one.header === header)).find(one => one);
  const addresses = column?.value(resource);
  const { memory, cpuUsec } = usage.get(groupOf(kernel.kinds, resource) ?? '') ?? {};
  return {
    kind: ref.kind,
    name: nameOf(ref),
    path: ref.path,
    state: String(state ?? 'Pending'),
    ...(reason !== undefined && { reason: String(reason) }),
    ...(addresses && { addresses }),
    ...(memory && { memoryBytes: memory.current }),
    ...(cpuUsec !== undefined && { cpuSeconds: cpuUsec / 1e6 }),
    children: [],
  };
}
