/** The containers of a cell as the host has them now, for commands that are about what runs in them. */
import type { ContainerParams } from '../../kernel/backends/index.ts';
import { KukeError } from '../../kernel/errors.ts';
import type { Resource } from '../../kernel/kinds.ts';
import { didYouMean } from '../../kernel/names.ts';
import { makeObserveContext, observed, readTree } from '../../kernel/observe.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { describe, nameOf, type ResourceRef } from '../../kernel/resource.ts';
import { type ResourceTree, refuseDamaged } from '../../kernel/tree.ts';
import { refFor, scopeArgs } from '../scope.ts';

/** What of a cell's status says what runs (spec.md §3). */
export interface CellContainer {
  id: string;
  containerdId: string;
  logPath: string;
  state: string;
  exitCode?: number;
}

export interface CellContainers {
  ref: ResourceRef;
  /** containerd namespace. */
  namespace: string;
  /** In the manifest's order. */
  all: CellContainer[];
}

/** Throws NotFound for a cell that is not there. */
export async function containersOf(kernel: Kernel, ref: ResourceRef): Promise<CellContainers> {
  const tree = await readTree(kernel);
  refuseDamaged(tree, ref, 'itself');
  return containersIn(kernel, tree, tree.get(ref));
}

/** Also of a cell that is not stored yet. Where nobody can say what runs, the state is `Unknown`. */
export async function containersIn(kernel: Kernel, tree: ResourceTree, cell: Resource): Promise<CellContainers> {
  const context = makeObserveContext(tree);
  const { namespace } = context.ancestor(cell.ref, 'Realm').spec;
  if (typeof namespace !== 'string') throw new KukeError('Internal', 'the realm has no namespace');
  const { manifest } = await observed(kernel, context, cell);
  const { containers = [] } = (manifest.status ?? {}) as { containers?: CellContainer[] };
  return { ref: cell.ref, namespace, all: containers };
}

export function cellRef(kernel: Kernel, name: string, flags: Record<string, unknown>): ResourceRef {
  return refFor(kernel, kernel.kinds.get('Cell'), name, flags);
}

/** By name; without one, the root. Throws NotFound with the nearest name. */
export function pick({ ref, all }: CellContainers, name: string | undefined): CellContainer {
  // No container is called `root`, and the root's id ends so (spec.md §1, §2).
  const isRoot = ({ containerdId }: CellContainer) => containerdId.endsWith('_root');
  const found = all.find(one => (name === undefined ? isRoot(one) : one.id.toLowerCase() === name.toLowerCase()));
  if (found !== undefined) return found;
  const resource = describe(ref);
  const names = all.map(({ id }) => id);
  if (name === undefined) throw new KukeError('Conflict', 'it has no containers', { resource, remedy: ADD_CONTAINERS });
  const message = `there is no container \`${name}\`${didYouMean(name, names)}`;
  throw new KukeError('NotFound', message, { resource, remedy: `its containers: ${names.join(', ') || 'none'}` });
}

const ADD_CONTAINERS = 'add containers to its manifest, and apply it';

/** Throws Conflict for one that does not run, with the command that starts it; RuntimeUnavailable when nobody can say. */
export async function refuseUnlessRunning(
  kernel: Kernel,
  { ref }: CellContainers,
  { id, state, exitCode }: CellContainer,
  flags: Record<string, unknown>,
): Promise<void> {
  if (state === 'Running') return;
  if (state === 'Unknown') await (await kernel.use('runtime')).ping();
  const how = state === 'Pending' ? 'Pending: it was never started' : state;
  const code = exitCode === undefined ? '' : `, with exit code ${exitCode}`;
  const isPaused = state === 'Paused';
  throw new KukeError('Conflict', `container \`${id}\` does not run (it is ${how}${code})`, {
    resource: describe(ref),
    remedy: isPaused
      ? 'thaw it first: write 0 into its cgroup.freeze, or `ctr tasks resume`'
      : `start it: \`kuke start cell ${nameOf(ref)}${scopeFlags(flags)}\``,
  });
}

/** Those that the user gave, to be given again. */
export function scopeFlags(flags: Record<string, unknown>): string {
  return Object.keys(scopeArgs)
    .filter(name => typeof flags[name] === 'string')
    .map(name => ` --${name} ${flags[name]}`)
    .join('');
}

export const runtimeId = ({ namespace }: CellContainers, { containerdId: id }: CellContainer): ContainerParams => ({
  namespace,
  id,
});
