/** `apply`: several resources in any order, each created, updated field by field, unchanged or failed (spec.md §7). */

import { type Ahead, makeAhead, toldOnce } from './ahead.ts';
import type { FieldChange } from './diff.ts';
import { asKukeError, KukeError } from './errors.ts';
import type { Journal } from './journal.ts';
import type { ObserveContext, Resource } from './kinds.ts';
import { withFailure } from './last-failure.ts';
import { levelByLevel } from './levels.ts';
import { refusedLimits } from './limits/refused.ts';
import { type AskedOf, askedIn } from './limits/wanted.ts';
import { makeObserveContext, readTree } from './observe.ts';
import type { Plan } from './plan.ts';
import { hasStatus, type Planned, planResource } from './plan-resource.ts';
import { DEFAULT_STOP_TIMEOUT_MS, type PlanOptions, type Verb } from './planning.ts';
import { requireNeeded } from './references.ts';
import type { Kernel } from './registry.ts';
import { describe, keyOf, type Manifest, type ResourceRef } from './resource.ts';
import { planRevision } from './revisions/keep.ts';
import { fieldsWith } from './schema.ts';
import { type EngineOptions, type Session, withSession } from './session.ts';
import { isSettled } from './settle.ts';
import { type ResourceTree, refuseDamaged } from './tree.ts';

export interface Outcome {
  ref: ResourceRef;
  /** `not applied`: nothing was done, since another one of the same command was refused. */
  result: 'created' | 'updated' | 'unchanged' | 'deleted' | 'not found' | 'not applied' | 'failed';
  changes: FieldChange[];
  /** The types of the steps that changed the host. */
  steps: string[];
  notes: string[];
  error?: KukeError;
  /** What was stored before, where there was something. */
  previous?: Manifest;
}

/**
 * The resources as they are to be; or what becomes of those that are stored, asked of the tree as it is: first without
 * the lock, and again under it, where nobody else changes it. What it throws is thrown.
 */
export type Desired = Resource[] | ((tree: ResourceTree) => Resource[] | Promise<Resource[]>);

export async function apply(
  kernel: Kernel,
  journal: Journal,
  desired: Desired,
  options: EngineOptions,
  planOptions: PlanOptions = { verb: 'apply', stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS },
): Promise<Outcome[]> {
  if (typeof desired !== 'function') refuseDuplicates(desired);
  const desiredIn = typeof desired === 'function' ? desired : () => desired;
  const idle = journal.isEmpty() ? await unchangedAll(kernel, desiredIn, planOptions) : undefined;
  if (idle !== undefined) return idle;
  const ahead = makeAhead({ operations: kernel.operations, hooks: kernel.hooks, ...options });
  const outcomes: Outcome[] = [];
  const both = toldOnce(options);
  let resources: Resource[] = [];
  const applying: Applying = { kernel, planOptions, engine: options, earlier: outcomes, ahead };
  const round = (isWanted: (resource: Resource) => boolean): Promise<Outcome[]> =>
    withSession(kernel, journal, both, async session => {
      resources = await desiredIn(session.tree);
      const keys = new Set(resources.map(({ ref }) => keyOf(ref)));
      const isPlanned = (ref: ResourceRef) => keys.has(keyOf(ref));
      const wanted = resources.filter(isWanted);
      const inTheEnd = session.tree.with(resources);
      const refused = await refusedLimits(kernel, inTheEnd, resources, planOptions);
      if (refused.size > 0) outcomes.push(...wanted.map(({ ref }) => notApplied(ref, refused.get(keyOf(ref)))));
      if (refused.size > 0) return inOrderOf(resources, outcomes);
      const asked = askedIn(kernel.kinds, inTheEnd);
      await session.reserve(asked);
      await levelByLevel(kernel, session.observing, wanted, directionOf(planOptions.verb), async (one, observe) => {
        const outcome = await applyOne(applying, session, one, observe, asked, isPlanned);
        if (outcome !== undefined) outcomes.push(outcome);
      });
      return inOrderOf(resources, outcomes);
    });
  let done = await round(() => true);
  try {
    // What comes after one that was put off may itself have to be put off then.
    while (ahead.isDue) {
      await ahead.run();
      done = await round(({ ref }) => ahead.has(ref));
    }
    return done;
  } catch (thrown) {
    // The lock was not to be had again, say. What was done before is done.
    const told = new Set(outcomes.map(({ ref }) => keyOf(ref)));
    const untold = resources.filter(({ ref }) => ahead.has(ref) && !told.has(keyOf(ref)));
    const failed = untold.map(({ ref }) => notApplied(ref, asKukeError(thrown, 'Failed', { resource: describe(ref) })));
    return inOrderOf(resources, [...outcomes, ...failed]);
  }
}

/** What others depend on is started first, and stopped last. */
const directionOf = (verb: Verb) => (verb === 'stop' || verb === 'kill' ? 'children first' : 'parents first');

/** Without the lock: if nothing at all is to be done, also of what an earlier kuke has left or is due, that is the answer. */
async function unchangedAll(
  kernel: Kernel,
  desiredIn: Exclude<Desired, Resource[]>,
  options: PlanOptions,
): Promise<Outcome[] | undefined> {
  const tree = await readTree(kernel);
  const observe = makeObserveContext(tree);
  const outcomes: Outcome[] = [];
  const resources = await desiredIn(tree);
  const asked = askedIn(kernel.kinds, tree.with(resources));
  for (const resource of resources) {
    if (!isUpToDate(tree.find(resource.ref))) return undefined;
    try {
      requireNeeded(kernel, tree, resource, options.verb, outcomes);
      const planned = await planResource(kernel, tree, carrySticky(kernel, tree, resource), options, observe, asked);
      if (planned.plan.steps.length > 0) return undefined;
      outcomes.push(outcomeOf(resource, 'unchanged', planned));
    } catch {
      return undefined; // told properly under the lock, where an earlier kuke's work has been dealt with
    }
  }
  return (await isSettled(kernel, tree, observe)) ? outcomes : undefined;
}

/** What is the same for all resources of a command. */
interface Applying {
  kernel: Kernel;
  planOptions: PlanOptions;
  engine: EngineOptions;
  /** What became of those before. */
  earlier: readonly Outcome[];
  ahead: Ahead;
}

/** Undefined: it is put off. */
async function applyOne(
  { kernel, planOptions: options, engine, earlier, ahead }: Applying,
  session: Session,
  given: Resource,
  observe: ObserveContext,
  asked: AskedOf,
  isPlanned: (ref: ResourceRef) => boolean,
): Promise<Outcome | undefined> {
  const stored = session.tree.find(given.ref);
  const previous = stored && { previous: stored.manifest };
  try {
    refuseDamaged(session.tree, given.ref, 'itself');
    requireNeeded(kernel, session.tree, given, options.verb, earlier);
    const resource = carrySticky(kernel, session.tree, given);
    const before = kernel.kinds.get(resource.ref.kind).precedence?.(resource) ?? [];
    if (ahead.follows(resource.ref, before)) return undefined;
    const planned = await planResource(kernel, session.tree, resource, options, observe, asked);
    if (kernel.dryRun === undefined && ahead.putsOff(resource.ref, planned.plan)) return undefined;
    const isIdle = planned.plan.steps.length === 0;
    // A kuke that died just after the last step has left a resource without status, which others need, or with the one from before.
    if (isIdle && isUpToDate(stored)) return outcomeOf(resource, 'unchanged', planned);
    const outcome = {
      ...outcomeOf(resource, isIdle ? 'unchanged' : stored ? 'updated' : 'created', planned),
      ...previous,
    };
    if (planned.changes.length > 0)
      await planRevision(kernel, planned.plan, stored, resource, { ...engine, ...options });
    await runPlan(kernel, session, resource, ahead.without(planned.plan));
    const seen = await session.saveStatus(withFailure(options.noted?.(resource) ?? resource));
    if (stored === undefined || planned.changes.length === 0) return withNotes(outcome, failureIn(seen));
    const { notes, unlimited } = await session.settleBelow(resource.ref, isPlanned);
    if (unlimited.length > 0) throw await takenBack(kernel, session, stored, unlimited, isPlanned);
    return withNotes(outcome, [...failureIn(seen), ...notes]);
  } catch (thrown) {
    const error = asKukeError(thrown, 'Failed', { resource: describe(given.ref) });
    return { ref: given.ref, result: 'failed', changes: [], steps: [], notes: [], error, ...previous };
  }
}

const withNotes = (outcome: Outcome, more: string[]): Outcome => ({
  ...outcome,
  notes: [...new Set([...outcome.notes, ...more])],
});

/** Those below have not all got what they take from the resource: it is as it was, and so are they, whatever of that can be. */
async function takenBack(
  kernel: Kernel,
  session: Session,
  stored: Resource,
  [first, ...others]: readonly KukeError[],
  isPlanned: (ref: ResourceRef) => boolean,
): Promise<KukeError> {
  const failures = [...others];
  try {
    const options: PlanOptions = { verb: 'settle', stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS };
    const { plan } = await planResource(kernel, session.tree, stored, options);
    await session.run(plan);
    await session.saveStatus(stored);
    failures.push(...(await session.settleBelow(stored.ref, isPlanned)).unlimited);
  } catch (thrown) {
    failures.push(asKukeError(thrown, 'UndoFailed', { resource: describe(stored.ref) }));
  }
  return asKukeError(first).with(failures);
}

/** What was done well, and has come to nothing all the same: a container that ended at once, say. */
function failureIn({ manifest: { status } }: Resource): string[] {
  return status?.state === 'Failed' ? [`${FAILED}${status.message ?? status.reason}`] : [];
}

const FAILED = 'it is Failed: ';
/** For those who see its end for themselves. */
export const isOfFailure = (note: string): boolean => note.startsWith(FAILED);

/** When an update fails half-way, what the manifest says may be stored already: the status is that of what is stored. */
async function runPlan(kernel: Kernel, session: Session, resource: Resource, plan: Plan): Promise<void> {
  try {
    await session.run(plan);
  } catch (thrown) {
    const error = asKukeError(thrown, 'Failed', { resource: describe(resource.ref) });
    try {
      const left = (await readTree(kernel)).find(resource.ref);
      if (left !== undefined) await session.saveStatus(withFailure(left, error));
    } catch (also) {
      throw error.with([asKukeError(also, 'Failed', { resource: describe(resource.ref), step: 'store its status' })]);
    }
    throw error;
  }
}

/** Its status is there, and not one of a command that has failed. */
const isUpToDate = (stored: Resource | undefined): boolean =>
  hasStatus(stored) && stored?.manifest.status?.lastFailure === undefined;

function outcomeOf(resource: Resource, result: Outcome['result'], planned: Planned): Outcome {
  const steps = planned.plan.steps.map(step => step.type).filter(type => type !== 'store.write');
  return { ref: resource.ref, result, changes: planned.changes, steps, notes: planned.notes };
}

const notApplied = (ref: ResourceRef, error?: KukeError): Outcome => ({
  ref,
  result: error === undefined ? 'not applied' : 'failed',
  changes: [],
  steps: [],
  notes: [],
  ...(error && { error }),
});

/** Fields such as spec.desiredState stay as they are when the manifest does not mention them. */
function carrySticky(kernel: Kernel, tree: ResourceTree, resource: Resource): Resource {
  const stored = tree.find(resource.ref);
  if (stored === undefined) return resource;
  const { status } = stored.manifest;
  const spec = { ...resource.manifest.spec };
  const effective = { ...resource.spec };
  for (const field of fieldsWith(kernel.kinds.get(resource.ref.kind).spec, said => said.sticky === true)) {
    if (field in spec || !(field in stored.manifest.spec)) continue;
    spec[field] = stored.manifest.spec[field];
    effective[field] = stored.spec[field];
  }
  return { ...resource, spec: effective, manifest: { ...resource.manifest, spec, ...(status && { status }) } };
}

function refuseDuplicates(resources: Resource[]): void {
  for (const [, same] of Map.groupBy(resources, ({ ref }) => keyOf(ref))) {
    const [first, second] = same;
    if (first === undefined || second === undefined) continue;
    const how =
      describe(first.ref) === describe(second.ref) ? 'is there twice' : `is there as ${describe(second.ref)} too`;
    throw new KukeError('InvalidManifest', how, {
      resource: describe(first.ref),
      remedy: 'names are unique without regard to case',
    });
  }
}

function inOrderOf(resources: Resource[], outcomes: Outcome[]): Outcome[] {
  const place = new Map(resources.map((resource, index) => [keyOf(resource.ref), index]));
  return outcomes.sort((a, b) => (place.get(keyOf(a.ref)) ?? 0) - (place.get(keyOf(b.ref)) ?? 0));
}
