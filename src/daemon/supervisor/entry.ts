/** One resource that is kept, and the pieces of it that are looked at and acted on. */

import type { ObserveContext, Resource } from '../../kernel/kinds.ts';
import { othersTurn } from '../../kernel/others-turn.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { describe, type ResourceRef } from '../../kernel/resource.ts';
import type { Member, Supervised, Supervision } from '../../kernel/supervision.ts';
import { type Decision, decide, type MemberMemory, type Memory, nothing, remember } from './decide.ts';
import type { HealthWatch } from './health-watch.ts';
import { isReached } from './turns.ts';

export interface Entry {
  ref: ResourceRef;
  /** What its plans look at besides itself: the spaces that it joins, the cells that come before it. */
  needs: ResourceRef[];
  /** As its manifest has it; `isNew`: it has not been looked at since that has changed. */
  spec?: Record<string, unknown>;
  isNew: boolean;
  memory: Memory;
  /** As it was last looked at. */
  seen?: Supervised;
  /** Its start waits for others. */
  isWaiting: boolean;
  health: HealthWatch;
  /** What is told of it has to be stored, though nothing is done. */
  isUnsaved: boolean;
  /** For what is due later. */
  timer?: ReturnType<typeof setTimeout>;
  isBusy: boolean;
  /** Something has happened while it was busy. */
  isAgain: boolean;
  /** What was said of its last plan: it is told once. */
  noted: readonly string[];
  /** The members of whose end people have been told. */
  told: Set<string>;
}

export const makeEntry = (ref: ResourceRef, needs: ResourceRef[], health: HealthWatch): Entry => ({
  ref,
  needs,
  isNew: true,
  memory: nothing,
  isWaiting: false,
  health,
  isUnsaved: false,
  isBusy: false,
  isAgain: false,
  noted: [],
  told: new Set(),
});

/** What a person should know about a plan of it, such as a limit that the host cannot enforce: told when it is not what was told before. */
export function tellNotes(entry: Entry, notes: readonly string[], notice: (message: string) => void): void {
  for (const note of notes) if (!entry.noted.includes(note)) notice(`${describe(entry.ref)}: ${note}`);
  entry.noted = notes;
}

/** It is waited for no more. */
export function drop(entry: Entry): void {
  entry.health.end();
  clearTimeout(entry.timer);
}

export function supervisionOf(kernel: Kernel, { kind }: ResourceRef): Supervision<Resource> | undefined {
  return kernel.kinds.get(kind).lifecycle?.supervision;
}

export interface Looked {
  seen: Supervised;
  /** Those that have ended, and nobody knows it yet. */
  died: Member[];
  decision: Decision;
}

/** Another one that it may come after. */
export type FindEntry = (ref: ResourceRef) => Entry | undefined;

/** Looks, remembers, decides. Undefined: nothing of it has to be kept. Throws what observing throws. */
export async function lookAt(
  kernel: Kernel,
  entry: Entry,
  resource: Resource,
  context: ObserveContext,
  find: FindEntry,
): Promise<Looked | undefined> {
  await othersTurn();
  const seen = await supervisionOf(kernel, entry.ref)?.look(context, resource);
  if (seen === undefined) return undefined;
  const now = performance.now();
  const before = entry.memory.members;
  entry.memory = remember(entry.memory, seen, now);
  const decision = decide(seen, entry.memory, now);
  const died = diedSince(entry, seen, before, decision);
  // Somebody has started it by hand, or ten minutes have passed: who comes after this supervisor is to know.
  entry.isUnsaved ||= seen.members.some(({ id, retries }) => entry.memory.members.get(id)?.retries !== retries);
  // Who has ended it by a command has stored that.
  entry.isUnsaved ||= seen.members.some(({ state, isStored }) => state === 'ended' && !isStored);
  entry.health.keep(seen.members);
  entry.seen = seen;
  entry.isWaiting = decision.act === 'start' && !isItsTurn(seen, find);
  return { seen, died, decision: entry.isWaiting ? { act: 'none' } : decision };
}

/** Of what is not there, or is not to run, the start itself tells that it depends on it in vain. */
function isItsTurn({ after }: Supervised, find: FindEntry): boolean {
  return after.every(({ ref, condition }) => {
    const other = find(ref);
    if (other === undefined) return true;
    return other.seen !== undefined && (!other.seen.isWanted || isReached(other.seen, other.memory, condition));
  });
}

/** Those of whose end nobody has been told: they were seen to run, or are started again, however short that life was. */
function diedSince(entry: Entry, seen: Supervised, before: Memory['members'], decision: Decision): Member[] {
  for (const { id, state, startedAt } of seen.members)
    if (state !== 'ended' || before.get(id)?.life !== startedAt) entry.told.delete(id);
  // Who has stopped it has been told of.
  if (!seen.isWanted) return [];
  const again = decision.act === 'restart' ? decision.members : [];
  const ran = (known: MemberMemory | undefined) =>
    (known?.pid !== undefined || known?.isExpected === true) && known.heldFor === undefined;
  const isNews = ({ id, state }: Member) =>
    state === 'ended' && !entry.told.has(id) && (ran(before.get(id)) || again.includes(id));
  const died = seen.members.filter(isNews);
  for (const { id } of died) entry.told.add(id);
  return died;
}
