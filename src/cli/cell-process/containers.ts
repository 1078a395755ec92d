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
  root?: true;
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

/**
 * As they were when the cell was last changed, if that is told: their ids and logs do not change by themselves, and looking at the host takes
 * longer than all else. `isFresh`: as they are now. Throws NotFound for a cell that is not there.
 */
export async function containersOf(
  kernel: Kernel,
  ref: ResourceRef,
  { isFresh = false } = {},
): Promise<CellContainers> {
  const tree = await readTree(kernel);
  refuseDamaged(tree, ref, 'itself');
  const cell = tree.get(ref);
  const all = isFresh ? undefined : toldOf(cell);
  return all === undefined
    ? containersIn(kernel, tree, cell)
    : { ref: cell.ref, namespace: namespaceOf(tree, cell), all };
}

/** Also of a cell that is not stored yet. Where nobody can say what runs, the state is `Unknown`. */
export async function containersIn(kernel: Kernel, tree: ResourceTree, cell: Resource): Promise<CellContainers> {
  const { manifest } = await observed(kernel, makeObserveContext(tree), cell);
  return { ref: cell.ref, namespace: namespaceOf(tree, cell), all: containersTold(manifest.status) };
}

/** Those that ran before the others come last: they are asked for least. */
function containersTold(status: unknown): CellContainer[] {
  const { containers = [], initContainers = [] } = (status ?? {}) as Record<string, CellContainer[] | undefined>;
  return [...containers, ...initContainers];
}

/** Undefined: something of it is newer than its status, or older than what a status tells today. */
function toldOf({ manifest, spec }: Resource): CellContainer[] | undefined {
  const told = containersTold(manifest.status);
  const { containers = [], initContainers = [] } = spec as Record<string, { id: string }[] | undefined>;
  const ids = [...containers, ...initContainers].map(({ id }) => id);
  const isWhole =
    Bun.deepEquals(
      told.map(({ id }) => id),
      ids,
    ) &&
    told.every(one => one.containerdId && one.logPath) &&
    (ids.length === 0 || told.some(({ root }) => root));
  return isWhole ? told : undefined;
}

function namespaceOf(tree: ResourceTree, cell: Resource): string {
  const { namespace } = makeObserveContext(tree).ancestor(cell.ref, 'Realm').spec;
  if (typeof namespace === 'string') return namespace;
  throw new KukeError('Internal', 'the realm has no namespace');
}

export function cellRef(kernel: Kernel, name: string, flags: Record<string, unknown>): ResourceRef {
  return refFor(kernel, kernel.kinds.get('Cell'), name, flags);
}

/** `web`, or `cell/web`, as `get -o name` prints it. Throws Usage for another kind. */
export function typedCell(kernel: Kernel, typed: string, flags: Record<string, unknown>): ResourceRef {
  const [, word, name = typed] = /^([^/]+)\/([^/]+)$/.exec(typed) ?? [];
  const kind = kernel.kinds.lookup(word ?? 'cell').kind;
  if (kind === 'Cell') return cellRef(kernel, name, flags);
  throw new KukeError('Usage', `\`${typed}\` is no cell`, { remedy: 'give the name of one: `web` or `cell/web`' });
}

/** By name; without one, the root. Throws NotFound with the nearest name. */
export function pick({ ref, all }: CellContainers, name: string | undefined): CellContainer {
  const found = all.find(one => (name === undefined ? one.root : one.id.toLowerCase() === name.toLowerCase()));
  if (found !== undefined) return found;
  const resource = describe(ref);
  const names = all.map(({ id }) => id);
  if (name === undefined) throw new KukeError('Conflict', 'it has no containers', { resource, remedy: ADD_CONTAINERS });
  const message = `there is no container \`${name}\`${didYouMean(name, names)}`;
  throw new KukeError('NotFound', message, { resource, remedy: `its containers: ${names.join(', ') || 'none'}` });
}

const ADD_CONTAINERS = 'add containers to its manifest, and apply it';

/** Why nothing could be done in a container, with the command that starts it: it does not run. Else what was thrown. */
export async function whyNot(
  kernel: Kernel,
  ref: ResourceRef,
  name: string | undefined,
  flags: Record<string, unknown>,
  thrown: unknown,
): Promise<unknown> {
  if (!(thrown instanceof KukeError) || !['Conflict', 'NotFound'].includes(thrown.code)) return thrown;
  const { id, state, exitCode } = pick(await containersOf(kernel, ref, { isFresh: true }), name);
  if (state === 'Running') return thrown;
  const how = state === 'Pending' ? 'Pending: it was never started' : state;
  const code = exitCode === undefined ? '' : `, with exit code ${exitCode}`;
  const isPaused = state === 'Paused';
  return new KukeError('Conflict', `container \`${id}\` does not run (it is ${how}${code})`, {
    resource: describe(ref),
    remedy: isPaused
      ? 'thaw it first: write 0 into its cgroup.freeze, or `ctr tasks resume`'
      : words => `start it: \`${words(`kuke start cell ${nameOf(ref)}${scopeFlags(flags)}`, 'POST .../start')}\``,
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
