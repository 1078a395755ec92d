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
  /** When the last look of its own, without the lock, began: what was told before, it has seen. */
  lookedAt: number;
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
  lookedAt: Number.NEGATIVE_INFINITY,
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
  /** Seen without the lock, an end may be the work of a command: nothing of this look is remembered, and it takes one under the lock. */
  isUnsure?: true;
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
  { isLocked }: { isLocked: boolean },
): Promise<Looked | undefined> {
  await othersTurn();
  const seen = await supervisionOf(kernel, entry.ref)?.look(context, resource);
  if (seen === undefined) return undefined;
  const now = performance.now();
  const memory = remember(entry.memory, seen, now);
  const decision = decide(seen, memory, now);
  const told = stillTold(entry, seen);
  const died = diedSince(entry, seen, decision, told);
  if (died.length > 0 && !isLocked) return { seen, died: [], decision: { act: 'none' }, isUnsure: true };
  entry.memory = memory;
  entry.told = new Set([...told, ...died.map(({ id }) => id)]);
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

/** Those whose last end people have been told of. */
function stillTold({ told, memory }: Entry, { members }: Supervised): ReadonlySet<string> {
  const isNew = ({ id, state, startedAt }: Member) => state !== 'ended' || memory.members.get(id)?.life !== startedAt;
  return told.difference(new Set(members.filter(isNew).map(({ id }) => id)));
}

/** Those of whose end nobody has been told: they were seen to run, or have been started since, however short that life was, or are started again. */
function diedSince(
  { memory: before }: Entry,
  seen: Supervised,
  decision: Decision,
  told: ReadonlySet<string>,
): Member[] {
  // Who has stopped it has been told of.
  if (!seen.isWanted) return [];
  const again = decision.act === 'restart' ? decision.members : [];
  const ran = (known: MemberMemory | undefined) =>
    (known?.pid !== undefined || known?.isExpected === true) && known.heldFor === undefined;
  const isNews = ({ id, startedAt }: Member): boolean => {
    const known = before.members.get(id);
    const isOfAnotherLife = known !== undefined && startedAt !== undefined && known.life !== startedAt;
    return ran(known) || isOfAnotherLife || again.includes(id);
  };
  return seen.members.filter(one => one.state === 'ended' && !told.has(one.id) && isNews(one));
}
