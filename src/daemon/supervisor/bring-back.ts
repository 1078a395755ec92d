/** Whole resources: those that were to run and have nothing left, as after a reboot, and those that are deleted when they have ended. */
import { apply } from '../../kernel/apply.ts';
import { inWaves } from '../../kernel/depends-on.ts';
import type { Resource } from '../../kernel/kinds.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from '../../kernel/planning.ts';
import { removeAll } from '../../kernel/remove.ts';
import { describe, keyOf, type ResourceRef } from '../../kernel/resource.ts';
import { withSession } from '../../kernel/session.ts';
import { WAITING } from '../../kernel/supervision.ts';
import type { ResourceTree } from '../../kernel/tree.ts';
import { type Acting, tellDeaths, withNotes } from './act.ts';
import { held } from './decide.ts';
import { type Entry, lookAt, tellNotes } from './entry.ts';
import { leftForLater } from './turns.ts';

/** So many under one lock: what has crashed meanwhile has its turn in between. */
const AT_ONCE = 8;

/** In the order in which they need one another; one that fails is tried again later. */
export async function startAll(acting: Acting, entries: readonly Entry[]): Promise<void> {
  const waves = inWaves(
    entries,
    ({ ref }) => keyOf(ref),
    ({ needs }) => needs.map(keyOf),
  );
  for (const wave of waves)
    for (let from = 0; from < wave.length; from += AT_ONCE) await startSome(acting, wave.slice(from, from + AT_ONCE));
}

async function startSome({ kernel, journal, engine, tell }: Acting, entries: readonly Entry[]): Promise<void> {
  const ours = new Map(entries.map(entry => [keyOf(entry.ref), entry]));
  const without = (ref: ResourceRef) => leftForLater(ours.get(keyOf(ref))?.seen?.members ?? []);
  const noted = (resource: Resource): Resource => {
    const entry = ours.get(keyOf(resource.ref));
    if (entry === undefined) return resource;
    entry.memory = held(entry.memory, without(entry.ref), WAITING);
    return withNotes(kernel, entry, resource);
  };
  const isOurs = ({ ref }: Resource) => ours.has(keyOf(ref));
  const desired = (tree: ResourceTree): Resource[] => tree.all().filter(isOurs).filter(isStillWanted);
  const options = { ...engine, command: `kukeond: start ${entries.map(({ ref }) => describe(ref)).join(', ')}` };
  const outcomes = await apply(kernel, journal, desired, options, {
    verb: 'start',
    stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS,
    without,
    noted,
  });
  for (const entry of entries) {
    const { error, result, notes = [] } = outcomes.find(({ ref }) => keyOf(ref) === keyOf(entry.ref)) ?? {};
    const { starts } = entry.memory;
    const isTried = error !== undefined && error.code !== 'RuntimeUnavailable';
    if (isTried) entry.memory = { ...entry.memory, starts: { failures: starts.failures + 1, at: performance.now() } };
    tellNotes(entry, notes, engine.notice);
    if (error) tell({ ref: entry.ref, what: 'failed', members: [], message: error.summary });
    else if (result === 'updated') tell({ ref: entry.ref, what: 'started', members: [] });
    entry.isAgain = true;
  }
}

/** Somebody may have stopped it meanwhile. */
const isStillWanted = ({ spec }: Resource): boolean => spec.desiredState !== 'stopped';

/** Between the look that said so and this, somebody may have started it, or want it to stay: so it is looked at again under the lock. */
export async function deleteAll(acting: Acting, entries: readonly Entry[]): Promise<void> {
  const { kernel, journal, engine, tell, find } = acting;
  for (const entry of entries) {
    const { ref } = entry;
    const options = { ...engine, command: `kukeond: delete ${describe(ref)}` };
    const removal = { cascade: true, stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS };
    const outcome = await withSession(kernel, journal, options, async session => {
      const resource = session.tree.find(ref);
      const looked = resource && (await lookAt(kernel, entry, resource, session.observing(), find, { isLocked: true }));
      if (looked === undefined) return undefined;
      tellDeaths(acting, entry, looked);
      if (looked.decision.act === 'delete') return (await removeAll(kernel, session, [ref], removal))[0];
      entry.isAgain = true;
      return undefined;
    });
    if (outcome?.error) tell({ ref, what: 'failed', members: [], message: outcome.error.summary });
    else if (outcome !== undefined) tell({ ref, what: 'deleted', members: [] });
  }
}
