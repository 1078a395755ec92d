/** `delete`: children first, each resource by a plan of its own; a parent stays while a child could not be removed. */
import type { Outcome } from './apply.ts';
import { asKukeError, KukeError } from './errors.ts';
import type { Journal } from './journal.ts';
import type { ObserveContext, Resource } from './kinds.ts';
import { levelByLevel } from './levels.ts';
import { embedded } from './observe.ts';
import { makePlan } from './plan.ts';
import type { PlanOptions } from './planning.ts';
import type { Kernel } from './registry.ts';
import { describe, keyOf, type ResourceRef } from './resource.ts';
import { type EngineOptions, planContext, type Session, withSession } from './session.ts';
import { refuseDamaged } from './tree.ts';

export interface RemoveOptions {
  /** With all that is below. */
  cascade: boolean;
  stopTimeoutMs: number;
}

export async function remove(
  kernel: Kernel,
  journal: Journal,
  refs: ResourceRef[],
  removeOptions: RemoveOptions,
  options: EngineOptions,
): Promise<Outcome[]> {
  return withSession(kernel, journal, options, session => removeAll(kernel, session, refs, removeOptions));
}

export async function removeAll(
  kernel: Kernel,
  session: Session,
  refs: ResourceRef[],
  options: RemoveOptions,
): Promise<Outcome[]> {
  const outcomes = new Map<string, Outcome>();
  const removeThis = (one: Resource, observe: ObserveContext) => removeOne(kernel, session, one, options, observe);
  const deepestFirst = [...refs].sort((a, b) => b.path.length - a.path.length);
  for (const ref of deepestFirst) {
    if (outcomes.has(keyOf(ref))) continue;
    const resource = session.tree.find(ref);
    if (resource === undefined) {
      outcomes.set(keyOf(ref), absent(session, ref));
      continue;
    }
    const children = session.tree.descendants(ref);
    const refusal = options.cascade ? undefined : hasChildren(kernel, resource, children);
    if (refusal !== undefined) {
      outcomes.set(keyOf(ref), { ...nothing(ref), result: 'failed', error: refusal });
      continue;
    }
    for (const outcome of await levelByLevel(
      kernel,
      session.tree,
      [...children, resource],
      'children first',
      removeThis,
    )) {
      outcomes.set(keyOf(outcome.ref), outcome);
    }
  }
  return [...outcomes.values()];
}

async function removeOne(
  kernel: Kernel,
  session: Session,
  resource: Resource,
  options: RemoveOptions,
  observe: ObserveContext,
): Promise<Outcome> {
  const { ref } = resource;
  try {
    refuseDamaged(session.tree, ref, 'below');
    const left = session.tree.children(ref);
    if (left.length > 0)
      throw new KukeError('Failed', `stays, for it still has ${left.map(child => describe(child.ref)).join(', ')}`);
    const plan = makePlan('delete');
    const planOptions: PlanOptions = { verb: 'delete', stopTimeoutMs: options.stopTimeoutMs };
    const context = planContext(plan, planOptions, [], observe);
    await kernel.kinds.lifecycle(ref.kind).planDelete(context, resource);
    const before = plan.steps.map(({ id }) => ({ id }));
    plan.add(ref, 'store.remove', { ref }, before);
    await session.run(plan);
    session.tree.remove(ref);
    return { ...nothing(ref), result: 'deleted', steps: plan.steps.map(step => step.type), notes: context.notes };
  } catch (thrown) {
    return { ...nothing(ref), result: 'failed', error: asKukeError(thrown, 'Failed', { resource: describe(ref) }) };
  }
}

/** Also those that it declares itself, such as a cell's containers. */
function hasChildren(kernel: Kernel, resource: Resource, below: Resource[]): KukeError | undefined {
  const declared = kernel.kinds
    .all()
    .filter(kind => kind.embedded !== undefined && kind.parent === resource.ref.kind)
    .flatMap(kind => embedded(kernel, kind.kind, [resource]));
  const children = [...below, ...declared].map(child => describe(child.ref));
  if (children.length === 0) return undefined;
  const shown = children.length > 10 ? [...children.slice(0, 10), `and ${children.length - 10} more`] : children;
  return new KukeError('HasChildren', `it has children: ${shown.join(', ')}`, { resource: describe(resource.ref) });
}

/** Gone already, unless its file is there and cannot be read. */
function absent(session: Session, ref: ResourceRef): Outcome {
  try {
    refuseDamaged(session.tree, ref, 'itself');
    return { ...nothing(ref), result: 'not found' };
  } catch (thrown) {
    return { ...nothing(ref), result: 'failed', error: asKukeError(thrown) };
  }
}

const nothing = (ref: ResourceRef): Omit<Outcome, 'result'> => ({ ref, changes: [], steps: [], notes: [] });
