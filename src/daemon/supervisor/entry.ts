/** One resource that is kept, and the pieces of it that are looked at and acted on. */

import type { ObserveContext, Resource } from '../../kernel/kinds.ts';
import type { Kernel } from '../../kernel/registry.ts';
import type { ResourceRef } from '../../kernel/resource.ts';
import type { Member, Supervised, Supervision } from '../../kernel/supervision.ts';
import { type Decision, decide, type MemberMemory, type Memory, nothing, remember } from './decide.ts';
import type { HealthWatch } from './health-watch.ts';

export interface Entry {
  ref: ResourceRef;
  /** What its plans look at besides itself: the spaces that it joins, the cells that come before it. */
  needs: ResourceRef[];
  /** As its manifest has it; `isNew`: it has not been looked at since that has changed. */
  spec?: Record<string, unknown>;
  isNew: boolean;
  memory: Memory;
  health: HealthWatch;
  /** What is told of it has to be stored, though nothing is done. */
  isUnsaved: boolean;
  /** For what is due later. */
  timer?: ReturnType<typeof setTimeout>;
  later?: ReturnType<typeof setTimeout>;
  isBusy: boolean;
  /** Something has happened while it was busy. */
  isAgain: boolean;
}

export const makeEntry = (ref: ResourceRef, needs: ResourceRef[], health: HealthWatch): Entry => ({
  ref,
  needs,
  isNew: true,
  memory: nothing,
  health,
  isUnsaved: false,
  isBusy: false,
  isAgain: false,
});

/** It is waited for no more. */
export function drop(entry: Entry): void {
  entry.health.end();
  clearTimeout(entry.timer);
  clearTimeout(entry.later);
}

export function supervisionOf(kernel: Kernel, { kind }: ResourceRef): Supervision<Resource> | undefined {
  return kernel.kinds.get(kind).lifecycle?.supervision;
}

export interface Looked {
  seen: Supervised;
  /** Those that ran when they were last seen, and have ended. */
  died: Member[];
  decision: Decision;
}

/** Looks, remembers, decides. Undefined: nothing of it has to be kept. Throws what observing throws. */
export async function lookAt(
  kernel: Kernel,
  entry: Entry,
  resource: Resource,
  context: ObserveContext,
): Promise<Looked | undefined> {
  const seen = await supervisionOf(kernel, entry.ref)?.look(context, resource);
  if (seen === undefined) return undefined;
  const now = performance.now();
  const before = entry.memory.members;
  const ran = (known: MemberMemory | undefined) => known?.pid !== undefined && known.heldFor === undefined;
  const died = seen.members.filter(({ id, state }) => state === 'ended' && ran(before.get(id)));
  entry.memory = remember(entry.memory, seen, now);
  // Somebody has started it by hand, or ten minutes have passed: who comes after this supervisor is to know.
  entry.isUnsaved ||= seen.members.some(({ id, retries }) => entry.memory.members.get(id)?.retries !== retries);
  entry.health.keep(seen.members);
  return { seen, died, decision: decide(seen, entry.memory, now) };
}
