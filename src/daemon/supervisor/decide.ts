/** What is to be done with a resource, from what is seen of it and remembered: pure, and by a clock that nobody can move. */
import { type Health, type Member, type MemberNotes, type Supervised, WAITING } from '../../kernel/supervision.ts';
import { isInTurn, isMemberDue } from './turns.ts';

export const FIRST_PAUSE_MS = 1000;
export const LONGEST_PAUSE_MS = 300_000;
/** So long a life without a fault, and what was before it is forgotten. */
export const HEALTHY_MS = 600_000;
/** From the end of what is then deleted: so long has who waits for it, such as `kuke run`, to see how it ended. */
export const DELETE_AFTER_MS = 5000;

/** Of one member. Times are those of the monotonic clock, in milliseconds. */
export interface MemberMemory {
  restarts: number;
  /** Restarts in a row. */
  retries: number;
  /** Starts in a row that came to nothing: they lengthen the pauses, and are no restarts. */
  failures: number;
  /** Of the life that is known; absent: it does not run. */
  pid?: number;
  /** When its last life that was seen began, RFC 3339: by it, one that was too short to be seen is told from the one before. */
  life?: string;
  /** Since when it runs, and is not unhealthy. */
  wellSince?: number;
  /** When its end, or that it is unhealthy, was seen. */
  faultAt?: number;
  /** When it was first seen to have ended. */
  endedAt?: number;
  /** The supervisor has started it, and has not seen it run yet. */
  isExpected?: boolean;
  health?: Health;
  heldFor?: string;
}

export interface Memory {
  members: ReadonlyMap<string, MemberMemory>;
  /** Starts of the whole in a row that came to nothing. */
  starts: { failures: number; at: number };
}

export const nothing: Memory = { members: new Map(), starts: { failures: 0, at: 0 } };

export type Action =
  | { act: 'none' }
  /** Members are started again, in what they live in. */
  | { act: 'restart'; members: string[] }
  /** Members are stopped, and stay so. */
  | { act: 'hold'; members: string[]; why: string }
  /** All of it is started: nothing that it lived in is left. */
  | { act: 'start' }
  /** It has ended for good: what it had goes. */
  | { act: 'settle' }
  | { act: 'delete' };

/** `lookAt`: when something is due that nobody tells of. */
export type Decision = Action & { lookAt?: number };

/** 0, 1 s, 2 s, 4 s ... 5 min. */
export function pauseMs(before: number): number {
  return before === 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (Math.min(before, 30) - 1), LONGEST_PAUSE_MS);
}

/** What is known once this has been seen. */
export function remember(memory: Memory, { members, isWanted }: Supervised, now: number): Memory {
  const remembered = members.map(one => [one.id, rememberOne(memory.members.get(one.id), one, isWanted, now)] as const);
  const rootRuns = members.some(({ isRoot, state }) => isRoot && state === 'running');
  return { members: new Map(remembered), starts: rootRuns ? nothing.starts : memory.starts };
}

function rememberOne(known: MemberMemory | undefined, seen: Member, isWanted: boolean, now: number): MemberMemory {
  const { restarts, retries, heldFor, startedAt: life } = seen;
  let before: MemberMemory = known ?? { restarts, retries, failures: 0, ...(heldFor && { heldFor }) };
  if (isAnothersLife(before, seen)) before = { restarts: before.restarts, retries: 0, failures: 0 };
  if (life !== undefined) before = { ...before, life };
  const isLong = before.wellSince !== undefined && now - before.wellSince >= HEALTHY_MS;
  const counted = isLong ? { ...before, retries: 0 } : before;
  if (seen.state === 'running') return ofRunning(known, counted, seen, now);
  const { pid: _, wellSince: __, health: ___, isExpected: ____, ...rest } = counted;
  const ended = seen.state === 'ended' ? { endedAt: counted.endedAt ?? now } : {};
  // Who has stopped it and starts it again begins anew.
  if (!isWanted) return { ...rest, ...ended, retries: 0, failures: 0 };
  const wasRunning = counted.pid !== undefined || counted.isExpected === true;
  return { ...rest, ...ended, faultAt: wasRunning ? now : (counted.faultAt ?? now) };
}

/** Somebody else has started what the supervisor would not have, and it has ended before it was seen to run. */
function isAnothersLife(known: MemberMemory, seen: Member): boolean {
  const { life, pid, isExpected, heldFor } = known;
  if (seen.state !== 'ended' || seen.startedAt === life || life === undefined) return false;
  return pid === undefined && isExpected !== true && heldFor !== WAITING && !isMemberDue(seen, known);
}

function ofRunning(known: MemberMemory | undefined, before: MemberMemory, seen: Member, now: number): MemberMemory {
  const pid = seen.pid ?? 0;
  if (before.pid !== pid) {
    const { faultAt: _, heldFor: __, health: ___, endedAt: ____, isExpected, ...rest } = before;
    // Somebody else has started it: what was before counts no more.
    const retries = known === undefined || isExpected === true ? before.retries : 0;
    const health = known === undefined && seen.wasHealthy ? { health: 'healthy' as const } : {};
    return { ...rest, retries, failures: 0, pid, wellSince: now, ...health };
  }
  if (before.health !== 'unhealthy') return before;
  return { ...before, wellSince: now, faultAt: before.faultAt ?? now };
}

/** What follows from a start of these that the supervisor has made. */
export function started(memory: Memory, ids: readonly string[]): Memory {
  return changed(memory, ids, ({ faultAt: _, health: __, pid: ___, wellSince: ____, endedAt: _____, ...one }) => {
    if (one.heldFor !== WAITING)
      return { ...one, restarts: one.restarts + 1, retries: one.retries + 1, isExpected: true };
    const { heldFor: ______, ...first } = one;
    return { ...first, isExpected: true };
  });
}

/** A start of these came to nothing. */
export function failed(memory: Memory, ids: readonly string[], now: number): Memory {
  return changed(memory, ids, one => ({ ...one, failures: one.failures + 1, faultAt: now }));
}

export const held = (memory: Memory, ids: readonly string[], heldFor: string): Memory =>
  changed(memory, ids, one => ({ ...one, heldFor }));

export function changed(memory: Memory, ids: readonly string[], change: (one: MemberMemory) => MemberMemory): Memory {
  const members = new Map(memory.members);
  for (const id of ids) {
    const one = members.get(id);
    if (one !== undefined) members.set(id, change(one));
  }
  return { ...memory, members };
}

/** For the status. */
export function notesOf({ members }: Memory): Map<string, MemberNotes> {
  return new Map(
    [...members].map(([id, { restarts, retries, health, pid, heldFor }]) => [
      id,
      {
        restarts,
        retries,
        ...(health && pid !== undefined && { health, pid }),
        ...(heldFor !== undefined && { heldFor }),
      },
    ]),
  );
}

export function decide(seen: Supervised, memory: Memory, now: number): Decision {
  const root = seen.members.find(({ isRoot }) => isRoot);
  if (root === undefined || seen.members.some(({ state }) => state === 'unknown')) return { act: 'none' };
  if (!seen.isWanted) return afterTheEnd(seen, root, memory, now);
  if (root.state === 'running') return decideMembers(seen.members, memory, now);
  const knownRoot = memory.members.get(root.id);
  const isLost = root.state === 'ended' && root.exitCode === undefined && knownRoot?.heldFor === undefined;
  if (root.state === 'pending' || (isLost && !seen.hasPlace)) {
    const at = memory.starts.at + pauseMs(memory.starts.failures);
    return memory.starts.failures === 0 || at <= now ? { act: 'start' } : { act: 'none', lookAt: at };
  }
  if (!isMemberDue(root, knownRoot)) {
    if (isLost) return { act: 'hold', members: [root.id], why: 'Lost' };
    return afterTheEnd(seen, root, memory, now);
  }
  return decideMembers(seen.members, memory, now);
}

/** The root does not run, and is not started again. */
function afterTheEnd({ autoDelete, isOpen }: Supervised, { id, state }: Member, memory: Memory, now: number): Decision {
  if (state === 'running') return { act: 'none' };
  const rest: Action = isOpen ? { act: 'settle' } : { act: 'none' };
  if (!autoDelete || state !== 'ended') return rest;
  const at = (memory.members.get(id)?.endedAt ?? now) + DELETE_AFTER_MS;
  return at <= now ? { act: 'delete' } : { ...rest, lookAt: at };
}

function decideMembers(members: readonly Member[], memory: Memory, now: number): Decision {
  const restarts: string[] = [];
  const stops: string[] = [];
  const later: number[] = [];
  for (const one of members) {
    const known = memory.members.get(one.id);
    if (isUnhealthy(one, known) && one.check?.onUnhealthy === 'stop') stops.push(one.id);
    if (!isStartDue(one, members, memory)) continue;
    const at = (known?.faultAt ?? now) + pauseMs((known?.retries ?? one.retries) + (known?.failures ?? 0));
    if (at <= now) restarts.push(one.id);
    else later.push(at);
  }
  const lookAt = later.length > 0 ? { lookAt: Math.min(...later) } : {};
  if (stops.length > 0) return { act: 'hold', members: stops, why: 'Unhealthy', ...lookAt };
  return restarts.length > 0 ? { act: 'restart', members: restarts, ...lookAt } : { act: 'none', ...lookAt };
}

const isUnhealthy = ({ state }: Member, known: MemberMemory | undefined): boolean =>
  state === 'running' && known?.health === 'unhealthy';

/** It is to be started, now or after a pause. */
function isStartDue(one: Member, members: readonly Member[], memory: Memory): boolean {
  const known = memory.members.get(one.id);
  const { check, maxRetries, state } = one;
  if (isUnhealthy(one, known))
    return check?.onUnhealthy === 'restart' && (maxRetries === undefined || (known?.retries ?? 0) < maxRetries);
  if (state === 'running') return false;
  if (known?.heldFor === WAITING) return isInTurn(one, members, memory);
  return state === 'pending' || (state === 'ended' && isMemberDue(one, known));
}
