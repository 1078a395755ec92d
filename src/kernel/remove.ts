/** `delete`: children first, each resource by a plan of its own; what has or is needed by one that stays, stays too. */
import type { Outcome } from './apply.ts';
import { cgroupPath } from './cgroups.ts';
import { asKukeError, KukeError, type Remedy } from './errors.ts';
import type { Journal } from './journal.ts';
import type { ObserveContext, Resource } from './kinds.ts';
import { levelByLevel } from './levels.ts';
import { askedIn } from './limits/wanted.ts';
import { embedded } from './observe.ts';
import { strangersText } from './orphan-groups.ts';
import { makePlan } from './plan.ts';
import { planContext } from './plan-resource.ts';
import type { PlanOptions } from './planning.ts';
import { referrersIn } from './references.ts';
import type { Kernel } from './registry.ts';
import { describe, keyOf, type ResourceRef } from './resource.ts';
import { planForget } from './revisions/keep.ts';
import { type EngineOptions, type Session, withSession } from './session.ts';
import { type ResourceTree, refuseDamaged } from './tree.ts';

export interface RemoveOptions {
  /** With all that is below. */
  cascade: boolean;
  stopTimeoutMs: number | undefined;
  /** Processes that are no container's are killed, and told by it before; absent: what they are in is refused. */
  killing?(what: string): void;
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
  const { tree } = session;
  const wanted = [...new Map(refs.map(ref => [keyOf(ref), ref])).values()];
  const absentees = wanted.filter(ref => tree.find(ref) === undefined).map(ref => absent(session, ref));
  const named = wanted.flatMap(ref => tree.find(ref) ?? []);
  const referrers = referrersIn(kernel, tree);
  const held = await heldByStrangers(kernel, named, options);
  const { going, refused } = decide(kernel, tree, named, options.cascade, referrers, held);
  const removed = await levelByLevel<Outcome>(
    kernel,
    session.observing,
    going,
    'children first',
    (one, observe, done) =>
      removeOne(kernel, session, one, options, observe, referrers(one.ref).filter(hasFailed(done))),
  );
  return [...absentees, ...refused, ...removed].sort((a, b) => b.ref.path.length - a.ref.path.length);
}

const hasFailed =
  (done: readonly Outcome[]) =>
  ({ ref }: Resource): boolean =>
    done.some(outcome => keyOf(outcome.ref) === keyOf(ref) && outcome.result === 'failed');

/** Which of them go, with all that is below them if so asked. One that is refused keeps what it refers to as well. */
function decide(
  kernel: Kernel,
  tree: ResourceTree,
  named: Resource[],
  cascade: boolean,
  referrers: (ref: ResourceRef) => Resource[],
  held: ReadonlyMap<Resource, KukeError>,
): { going: Resource[]; refused: Outcome[] } {
  const below = new Map(named.map(one => [one, tree.descendants(one.ref)]));
  const refused: Outcome[] = [];
  for (let willing = named; ; ) {
    const all = willing.flatMap(one => [one, ...(cascade ? (below.get(one) ?? []) : [])]);
    const going = new Map(all.map(one => [keyOf(one.ref), one]));
    const stays = ({ ref }: Resource): boolean => !going.has(keyOf(ref));
    const refusals = willing.flatMap(one => {
      const children = below.get(one) ?? [];
      const left = cascade ? undefined : hasChildren(kernel, one, children.filter(stays));
      const error = left ?? isReferredTo(one, cascade ? [one, ...children] : [one], referrers, stays) ?? held.get(one);
      return error === undefined ? [] : [{ one, error }];
    });
    if (refusals.length === 0) return { going: [...going.values()], refused };
    refused.push(...refusals.map(({ one, error }) => ({ ...nothing(one.ref), result: 'failed' as const, error })));
    willing = willing.filter(one => !refusals.some(refusal => refusal.one === one));
  }
}

async function heldByStrangers(
  { use, kinds }: Kernel,
  named: readonly Resource[],
  { killing }: RemoveOptions,
): Promise<ReadonlyMap<Resource, KukeError>> {
  const held = new Map<Resource, KukeError>();
  for (const one of named) {
    if (kinds.get(one.ref.kind).limits === undefined) continue;
    const who = await strangersText(await use('cgroup'), cgroupPath(one.ref));
    if (who === undefined) continue;
    const resource = describe(one.ref);
    const remedy: Remedy = words =>
      `move them elsewhere or end them, or say ${words('--force', '`force=true`')}, which kills them`;
    if (killing === undefined)
      held.set(one, new KukeError('Conflict', `these processes are no container's: ${who}`, { resource, remedy }));
    else killing(`${resource}: processes that are no container's are killed: ${who}`);
  }
  return held;
}

/** `kept`: what refers to it and could not be removed. */
async function removeOne(
  kernel: Kernel,
  session: Session,
  resource: Resource,
  options: RemoveOptions,
  observe: ObserveContext,
  kept: Resource[],
): Promise<Outcome> {
  const { ref } = resource;
  try {
    refuseDamaged(session.tree, ref, 'below');
    const left = session.tree.children(ref);
    if (left.length > 0) throw new KukeError('Failed', `stays, for it still has ${list(left)}`);
    if (kept.length > 0) throw new KukeError('Failed', `stays, for it is still referred to by ${list(kept)}`);
    const plan = makePlan('goOn');
    const planOptions: PlanOptions = { verb: 'delete', stopTimeoutMs: options.stopTimeoutMs };
    const context = planContext(plan, planOptions, [], observe, askedIn(kernel.kinds, session.tree));
    await kernel.kinds.lifecycle(ref.kind).planDelete(context, resource);
    const before = plan.steps.map(({ id }) => ({ id }));
    await planForget(kernel, plan, resource, before);
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
  const children = [...below, ...declared];
  if (children.length === 0) return undefined;
  return new KukeError('HasChildren', `it has children: ${list(children)}`, { resource: describe(resource.ref) });
}

/** By resources that stay, to the resource or to what goes along with it. */
function isReferredTo(
  resource: Resource,
  all: Resource[],
  referrers: (ref: ResourceRef) => Resource[],
  stays: (resource: Resource) => boolean,
): KukeError | undefined {
  for (const one of all) {
    const by = referrers(one.ref).filter(stays);
    if (by.length === 0) continue;
    const what = one === resource ? 'it' : describe(one.ref);
    return new KukeError('Conflict', `${what} is referred to by ${list(by)}`, {
      resource: describe(resource.ref),
      remedy: 'take that out of their manifests and apply them, or delete them first',
    });
  }
  return undefined;
}

function list(resources: Resource[]): string {
  const names = resources.map(({ ref }) => describe(ref));
  return (names.length > 10 ? [...names.slice(0, 10), `and ${names.length - 10} more`] : names).join(', ');
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
