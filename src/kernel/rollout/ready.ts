/** Waiting until resources are Ready, and healthy where they have health checks; or until one of them cannot become so any more. */
import { KukeError, type Remedy } from '../errors.ts';
import { followChanges } from '../follow-changes.ts';
import { AGAIN_MS, withoutInBetween } from '../in-between.ts';
import type { Journal } from '../journal.ts';
import type { ObserveContext, Resource } from '../kinds.ts';
import { makeObserveContext, observed, readTree } from '../observe.ts';
import { inParallel } from '../parallel.ts';
import type { Kernel } from '../registry.ts';
import { describe, keyOf, type ResourceRef } from '../resource.ts';
import { isDue, type Member, type Supervised } from '../supervision.ts';
import { refuseDamaged } from '../tree.ts';

const AT_ONCE = 8;

export interface Waiting {
  /** 0: look once. */
  timeoutMs: number;
  signal: AbortSignal;
  /** By which one tells what other commands are at work on. */
  journal: Journal;
  /** Of each, once it is. */
  ready(ref: ResourceRef, how: string): void;
}

type Verdict =
  | { is: 'ready'; how: string }
  /** `againMs`: nobody tells when a health check has another result. */
  | { is: 'waiting'; why: string; againMs?: number }
  | { is: 'lost'; why: string };

/** Resolves to what is wrong with those that are not, each as an error: TimedOut, or Failed. Throws the signal's reason, and NotFound. */
export async function untilReady(kernel: Kernel, refs: readonly ResourceRef[], waiting: Waiting): Promise<KukeError[]> {
  const { timeoutMs, signal, journal, ready } = waiting;
  const left = new Map(refs.map(ref => [keyOf(ref), ref]));
  const why = new Map<string, string>();
  const lost: KukeError[] = [];
  let pauseMs = FIRST_PAUSE_MS;
  const steadyMs = Math.min(STEADY_MS, timeoutMs / 2);
  const until = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs === 0 ? LOOK_LIMIT_MS : timeoutMs)]);
  const look = async (): Promise<boolean | number> => {
    // One look at the host for all of them.
    const context = makeObserveContext(await readTree(kernel));
    const pauses: number[] = [];
    await inParallel([...left.values()], AT_ONCE, async ref => {
      const verdict = await judge(kernel, context, ref, { until, steadyMs, journal });
      if (verdict.is === 'waiting') {
        // What was called off says less than the look before.
        if (!until.aborted || !why.has(keyOf(ref))) why.set(keyOf(ref), verdict.why);
        if (verdict.againMs !== undefined) pauses.push(verdict.againMs);
        return;
      }
      left.delete(keyOf(ref));
      if (verdict.is === 'ready') ready(ref, verdict.how);
      else
        lost.push(
          new KukeError('Failed', `will not become Ready: ${verdict.why}`, { resource: describe(ref), remedy: LOST }),
        );
    });
    if (left.size === 0 || lost.length > 0 || timeoutMs === 0) return false;
    if (pauses.length === 0) return true;
    const againMs = Math.min(pauseMs, ...pauses);
    pauseMs *= 2;
    return againMs;
  };
  await followChanges(kernel, until, look);
  signal.throwIfAborted();
  if (lost.length > 0) return lost;
  const after = timeoutMs === 0 ? '' : ` after ${timeoutMs / 1000} s`;
  return [...left].map(([key, ref]) => {
    const message = `is not Ready${after}: ${why.get(key) ?? 'it was not seen'}`;
    return new KukeError('TimedOut', message, { resource: describe(ref), remedy: LATE });
  });
}

const LOOK_LIMIT_MS = 60_000;
/** Between looks at what is not healthy yet; they grow up to the interval of the check. */
const FIRST_PAUSE_MS = 100;
/** So long a container without a health check has to run: one that ends with an error at once does run for a moment, too. */
const STEADY_MS = 1000;
const LOST: Remedy = words => words('see `kuke describe` and `kuke logs`', 'see its status and its logs');
const LATE: Remedy = words =>
  words('give a longer --timeout, or see `kuke describe`', 'give a longer `wait`, or see its status');

async function judge(
  kernel: Kernel,
  context: ObserveContext,
  ref: ResourceRef,
  options: { until: AbortSignal; steadyMs: number; journal: Journal },
  isSure = false,
): Promise<Verdict> {
  const { until, steadyMs, journal } = options;
  const { tree } = context;
  refuseDamaged(tree, ref, 'itself');
  const resource = await observed(kernel, context, tree.get(ref));
  const supervised = await kernel.kinds.get(ref.kind).lifecycle?.supervision?.look(context, resource);
  const verdict = verdictOf(resource, supervised);
  if (verdict.is === 'waiting') return verdict;
  if (!isSure) {
    const key = keyOf(ref);
    const { told, isHeld } = await withoutInBetween(
      kernel,
      journal,
      undefined,
      new Map([[key, { resource, text: '' }]]),
    );
    if (isHeld) return { is: 'waiting', why: 'another command is at work on it', againMs: AGAIN_MS };
    // What looks like an end is looked at anew: it may have been that of a command's work.
    if (told.get(key)?.resource !== resource)
      return judge(kernel, makeObserveContext(await readTree(kernel)), ref, options, true);
  }
  if (verdict.is === 'lost') return verdict;
  const { members = [] } = supervised ?? {};
  return (await unwell(members, until)) ?? unsteady(members, steadyMs) ?? verdict;
}

export function verdictOf({ manifest }: Pick<Resource, 'manifest'>, supervised: Supervised | undefined): Verdict {
  const { state = 'Unknown', reason, message } = manifest.status ?? {};
  const now = `${state}${message === undefined ? '' : `: ${message}`}`;
  if (supervised?.isWanted === false) return { is: 'ready', how: 'is not to run' };
  if (state === 'Ready') return { is: 'ready', how: 'is Ready' };
  if (state === 'Stopped' && reason === 'Completed') return { is: 'ready', how: 'has ended well' };
  const dead = supervised?.members.find(
    one => one.state === 'ended' && (one.exitCode ?? 0) !== 0 && !isDue(one, one.retries),
  );
  return { is: dead === undefined ? 'waiting' : 'lost', why: now };
}

/** kukeond may not have looked yet, or not be there: so it is looked here, once for each that runs. Undefined: all are well. */
async function unwell(members: readonly Member[], until: AbortSignal): Promise<Verdict | undefined> {
  const results = await Promise.all(
    members.map(async ({ id, state, check }) => {
      if (state !== 'running' || check === undefined) return undefined;
      try {
        const { ok, message } = await check.probe(until);
        return ok ? undefined : { why: `\`${id}\` is not healthy: ${message}`, againMs: check.intervalMs };
      } catch (thrown) {
        if (!until.aborted) throw thrown;
        return { why: `\`${id}\` has not answered its health check in time`, againMs: check.intervalMs };
      }
    }),
  );
  const [first] = results.filter(one => one !== undefined).sort((a, b) => a.againMs - b.againMs);
  return first && { is: 'waiting', ...first };
}

/** Undefined: all that nobody looks at by a health check have run for so long. */
export function unsteady(
  members: readonly Pick<Member, 'id' | 'state' | 'check' | 'startedAt'>[],
  steadyMs: number,
): Verdict | undefined {
  const young = members.flatMap(({ id, state, check, startedAt = '' }) => {
    const age = Date.now() - Date.parse(startedAt);
    // A clock that was set back makes it older than it is.
    const isYoung = state === 'running' && check === undefined && age >= 0 && age < steadyMs;
    return isYoung ? [{ id, againMs: steadyMs - age }] : [];
  });
  const [first] = young.sort((a, b) => b.againMs - a.againMs);
  return first && { is: 'waiting', why: `\`${first.id}\` was started only just now`, againMs: first.againMs };
}
