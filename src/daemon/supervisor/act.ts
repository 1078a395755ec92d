/** Does what was decided: a plan as a command's, under the same lock, decided anew from what is seen there. */

import { asKukeError, KukeError } from '../../kernel/errors.ts';
import type { Progress } from '../../kernel/execute.ts';
import type { Journal } from '../../kernel/journal.ts';
import type { ObserveContext, Resource } from '../../kernel/kinds.ts';
import { withFailure } from '../../kernel/last-failure.ts';
import { askedIn } from '../../kernel/limits/wanted.ts';
import { makeObserveContext, observed } from '../../kernel/observe.ts';
import { inParallel } from '../../kernel/parallel.ts';
import { makePlan, stepsText } from '../../kernel/plan.ts';
import { planContext, planResource } from '../../kernel/plan-resource.ts';
import { DEFAULT_STOP_TIMEOUT_MS, type Verb } from '../../kernel/planning.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { describe } from '../../kernel/resource.ts';
import { type EngineOptions, type Session, withSession } from '../../kernel/session.ts';
import { type Member, type Supervised, WAITING } from '../../kernel/supervision.ts';
import { failed, held, notesOf, started } from './decide.ts';
import { type Entry, type FindEntry, type Looked, lookAt, supervisionOf, tellNotes } from './entry.ts';
import type { SupervisorEvent } from './index.ts';

/** How many restarts run side by side under one lock. */
const AT_ONCE = 8;

export interface Acting {
  kernel: Kernel;
  journal: Journal;
  /** Its signal is the supervisor's end. */
  engine: EngineOptions;
  tell(event: SupervisorEvent): void;
  find: FindEntry;
}

/** Those of them that are to be started whole, or deleted, which take a command of their own; and those whose turn comes after somebody's command. */
export interface Left {
  starts: Entry[];
  deletes: Entry[];
  later: Entry[];
}

/** One time under the lock for all that are due now, or the first of them, where others wait for it. Throws what taking the lock throws. */
export async function actOn(acting: Acting, entries: readonly Entry[]): Promise<Left> {
  const { kernel, journal, engine } = acting;
  const only = entries.flatMap(({ ref, needs }) => [ref, ...needs]);
  const [first] = entries;
  const whose = entries.length === 1 && first ? describe(first.ref) : `${entries.length} resources`;
  // Waiting for the lock ends with the supervisor; what has begun comes to its end.
  const waiting = new AbortController();
  const giveUp = () => waiting.abort(new KukeError('Cancelled', 'kukeond ends'));
  if (engine.signal.aborted) giveUp();
  engine.signal.addEventListener('abort', giveUp, { once: true });
  const begins: Begins = new Map();
  const progress = (event: Progress) => {
    engine.progress(event);
    if (event.phase === 'start') begins.get(event.resource)?.();
  };
  const options = { ...engine, progress, signal: waiting.signal, command: `kukeond: keep ${whose}`, only };
  const left: Left = { starts: [], deletes: [], later: [] };
  let begun = 0;
  const work = withSession(kernel, journal, options, async session => {
    engine.signal.removeEventListener('abort', giveUp);
    await inParallel(entries, AT_ONCE, async entry => {
      if (begun >= AT_ONCE && session.isAwaited()) return void left.later.push(entry);
      begun++;
      try {
        await actOnOne(acting, session, entry, left, begins);
      } catch (thrown) {
        const { code, summary } = asKukeError(thrown, 'Failed', { resource: describe(entry.ref) });
        if (code !== 'RuntimeUnavailable') engine.notice(summary);
      }
    });
  });
  await work.finally(() => engine.signal.removeEventListener('abort', giveUp));
  return left;
}

/** By resource: told when a step of its plan begins. */
type Begins = Map<string, () => void>;

async function actOnOne(acting: Acting, session: Session, entry: Entry, left: Left, begins: Begins): Promise<void> {
  const { kernel, tell } = acting;
  const resource = session.tree.find(entry.ref);
  if (resource === undefined) return;
  const context = makeObserveContext(session.tree, entry.ref);
  const looked = await lookAt(kernel, entry, resource, context, acting.find, { isLocked: true });
  if (looked === undefined) return;
  tellDeaths(acting, entry, looked);
  const { decision } = looked;
  // Who looks without the lock sees to what is due later, and to those that come after it.
  if (decision.lookAt !== undefined || looked.died.length > 0) entry.isAgain = true;
  if (decision.act === 'start') return void left.starts.push(entry);
  if (decision.act === 'delete') return void left.deletes.push(entry);
  if (decision.act === 'none' && !entry.isUnsaved) return;
  let seen: Resource;
  if (decision.act === 'restart')
    seen = await restart(acting, session, entry, resource, context, looked, decision.members, begins);
  else {
    // How it ended, while that can be seen.
    seen = await observed(kernel, context, resource);
    if (decision.act === 'hold') {
      await runVerb(acting, session, entry, seen, context, 'hold', decision.members);
      entry.memory = held(entry.memory, decision.members, decision.why);
      tell({ ref: entry.ref, what: 'ended', members: decision.members, message: decision.why });
      entry.isAgain = true;
    } else if (decision.act === 'settle') await settle(acting, session, entry, seen, looked.seen);
  }
  entry.isUnsaved = false;
  await session.saveStatus(withNotes(kernel, entry, seen)).catch(thrown => {
    entry.isUnsaved = true;
    throw thrown;
  });
}

/** Whoever has looked tells it: the next look remembers that they have ended. */
export function tellDeaths({ tell }: Pick<Acting, 'tell'>, { ref }: Entry, { died }: Looked): void {
  for (const { id, exitCode, killed: message } of died)
    tell({
      ref,
      what: message === undefined ? 'died' : 'killed',
      members: [id],
      ...(message !== undefined && { message }),
      ...(exitCode !== undefined && { exitCode }),
    });
}

export const withNotes = (kernel: Kernel, entry: Entry, resource: Resource): Resource =>
  supervisionOf(kernel, entry.ref)?.note(resource, notesOf(entry.memory)) ?? resource;

/** Returns the resource, with what of it has failed. */
async function restart(
  acting: Acting,
  session: Session,
  entry: Entry,
  resource: Resource,
  context: ObserveContext,
  { seen }: Looked,
  members: string[],
  begins: Begins,
): Promise<Resource> {
  entry.isAgain = true;
  const message = whyOf(seen.members.filter(({ id }) => members.includes(id)));
  // How it ended has been seen by the look, and is put into words while the runtime works.
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  const words = begun.then(() => observed(acting.kernel, context, resource));
  begins.set(describe(entry.ref), () => setImmediate(resolve));
  try {
    await runVerb(acting, session, entry, resource, context, 'restart', members);
    resolve(); // there may have been no step
    const isFirst = (id: string) => entry.memory.members.get(id)?.heldFor === WAITING;
    const [first = [], again = []] = [true, false].map(is => members.filter(id => isFirst(id) === is));
    entry.memory = started(entry.memory, members);
    for (const id of members) entry.told.delete(id);
    if (first.length > 0) acting.tell({ ref: entry.ref, what: 'started', members: first });
    if (again.length > 0) acting.tell({ ref: entry.ref, what: 'restarted', members: again, message });
    return withFailure(await words);
  } catch (thrown) {
    const error = asKukeError(thrown, 'Failed', { resource: describe(entry.ref) });
    noteFailure(acting, entry, members, error);
    resolve();
    const before = await words;
    return error.code === 'RuntimeUnavailable' ? before : withFailure(before, error);
  }
}

const whyOf = (members: readonly Member[]): string =>
  [...new Set(members.map(({ state, killed, exitCode }) => killed ?? howEnded(state, exitCode)))].join('; ');

function howEnded(state: Member['state'], exitCode: number | undefined): string {
  if (state === 'running') return 'its health check failed';
  if (state === 'pending') return 'it had not been started';
  return exitCode === undefined ? 'it had gone, and nobody knows how' : `it had ended with exit code ${exitCode}`;
}

/** Its pauses grow, save where containerd is away: then nothing was tried. */
function noteFailure({ tell }: Acting, entry: Entry, members: string[], error: KukeError): void {
  if (error.code !== 'RuntimeUnavailable') entry.memory = failed(entry.memory, members, performance.now());
  tell({ ref: entry.ref, what: 'failed', members, message: error.summary });
}

async function runVerb(
  { kernel, engine }: Acting,
  session: Session,
  entry: Entry,
  resource: Resource,
  context: ObserveContext,
  verb: Verb,
  members: readonly string[],
): Promise<void> {
  const options = { verb, stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS, members };
  const { plan, notes } = await planResource(kernel, session.tree, resource, options, context);
  if (verb === 'restart') tellNotes(entry, notes, engine.notice);
  await session.run(plan);
}

async function settle(
  { kernel, tell }: Acting,
  session: Session,
  entry: Entry,
  resource: Resource,
  { members }: Supervised,
): Promise<void> {
  const { ref } = entry;
  const plan = makePlan('finish');
  const options = { verb: 'settle', stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS } as const;
  const observe = makeObserveContext(session.tree, ref);
  const context = planContext(plan, options, [], observe, askedIn(kernel.kinds, session.tree));
  await kernel.kinds.lifecycle(ref.kind).planSettle?.(context, resource);
  if (plan.steps.length === 0) return;
  // Those that it stops have not died.
  for (const { id, state } of members) if (state === 'running') entry.told.add(id);
  await session.run(plan, { isDue: true });
  tell({ ref, what: 'settled', members: [], message: `it has ended: ${stepsText(plan)}` });
}
