/**
 * What is seen of a resource while a command is at work on it: in the middle of a restart nothing of it runs, and that is no fault. Whoever watches
 * is told of it as it was before until the work has ended.
 */
import { comparable, type Seen } from './changes.ts';
import type { Journal } from './journal.ts';
import { lockState } from './journal-findings.ts';
import type { Resource } from './kinds.ts';
import { makeObserveContext, observed, readTree } from './observe.ts';
import { inParallel } from './parallel.ts';
import type { Kernel } from './registry.ts';
import { describe, keyOf } from './resource.ts';

/** Where something is held back: nobody tells of it when a command has been killed. */
export const AGAIN_MS = 1000;

const AT_ONCE = 8;

export interface Settled {
  /** In the order of what was seen. */
  told: ReadonlyMap<string, Seen>;
  /** Some are told as they were before: look again within `AGAIN_MS`, though nothing tells of a change. */
  isHeld: boolean;
}

/** `seen`, by `keyOf`, as it may be told to somebody who knows what was `known`. Throws what reading the tree throws. */
export async function withoutInBetween(
  kernel: Kernel,
  journal: Journal,
  known: ReadonlyMap<string, Seen> | undefined,
  seen: ReadonlyMap<string, Seen>,
): Promise<Settled> {
  const news = [...seen].flatMap(([key, { resource, text }]) => {
    const before = known?.get(key);
    if (before?.text === text || kernel.kinds.get(resource.ref.kind).lifecycle === undefined) return [];
    return [{ key, resource, before, isBroken: looksBroken(resource, before) }];
  });
  if (news.length === 0) return { told: seen, isHeld: false };
  const busy = await underWay(kernel, journal);
  const suspects = news.filter(({ resource, isBroken }) => isBroken && !busy.has(describe(resource.ref)));
  const again = await lookAgain(kernel, suspects);
  const since = again.size > 0 ? await underWay(kernel, journal) : busy;
  const told = new Map(seen);
  let isHeld = false;
  for (const { key, resource, before, isBroken } of news) {
    const isBusy = [busy, since].some(one => one.has(describe(resource.ref)));
    const now = isBroken ? again.get(key) : seen.get(key);
    // What nobody knows yet is told at once, if it looks well.
    const isTold = now !== undefined && (!isBusy || (before === undefined && !isBroken));
    isHeld ||= !isTold;
    told.set(key, isTold ? now : (before ?? compared(pending(resource))));
  }
  return { told, isHeld };
}

/** It is to run, and does not, or not all of it; or nothing is left of what was there. */
function looksBroken({ manifest: { spec, status } }: Resource, before: Seen | undefined): boolean {
  const state = status?.state;
  if (state === 'Stopped') return spec.desiredState !== 'stopped';
  return state === 'Failed' || state === 'Degraded' || (state === 'Pending' && before !== undefined);
}

/** What somebody is at work on now, as steps name it: `cell main/default/blog/web`. */
async function underWay(kernel: Kernel, journal: Journal): Promise<ReadonlySet<string>> {
  const { left } = journal.look();
  const lock = left.length > 0 ? await lockState(kernel) : undefined;
  // Else it is of one that has died, and nobody is at it.
  const isHeld = lock === undefined || lock.heldBy !== undefined;
  return new Set(isHeld ? left.flatMap(({ resources }) => resources) : []);
}

/** What was at work on them may have ended since the first look. Those that are gone are left out. */
async function lookAgain(
  kernel: Kernel,
  suspects: readonly { resource: Resource }[],
): Promise<ReadonlyMap<string, Seen>> {
  if (suspects.length === 0) return new Map();
  const tree = await readTree(kernel);
  const context = makeObserveContext(tree);
  const there = suspects.flatMap(({ resource }) => tree.find(resource.ref) ?? []);
  const now = await inParallel(there, AT_ONCE, one => observed(kernel, context, one));
  return new Map(now.map(one => [keyOf(one.ref), compared(one)]));
}

const compared = (resource: Resource): Seen => ({ resource, text: comparable(resource) });

/** Of one that nobody knows yet. */
function pending(resource: Resource): Resource {
  const { reason: _, message: __, ...status } = resource.manifest.status ?? {};
  return { ...resource, manifest: { ...resource.manifest, status: { ...status, state: 'Pending' } } };
}
