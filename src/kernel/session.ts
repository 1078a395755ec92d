/** A time under the lock: what an earlier kuke left is dealt with, what is due is settled, then plans are made and run. */
import hyperid from 'hyperid';
import type { Actor } from './audit.ts';
import type { LockHolder, StoreLock } from './backends/index.ts';
import { planReserved } from './cgroup-steps.ts';
import { asKukeError, type KukeError } from './errors.ts';
import { type ExecuteContext, execute, type Progress } from './execute.ts';
import type { Journal, UnfinishedPlan, UnreadablePlan } from './journal.ts';
import type { ObserveContext, Resource } from './kinds.ts';
import { differing } from './limits/reserved.ts';
import { type AskedOf, askedIn } from './limits/wanted.ts';
import { makeObserveContext, observed, readTree } from './observe.ts';
import { makePlan, onDeath, type Plan } from './plan.ts';
import { planContext } from './plan-resource.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from './planning.ts';
import { type Recovery, recover, supersede } from './recover.ts';
import type { Kernel } from './registry.ts';
import { describe, type ResourceRef } from './resource.ts';
import { settle, type Told } from './settle.ts';
import { traced } from './trace.ts';
import type { ResourceTree } from './tree.ts';

const nextId = hyperid({ urlSafe: true });

export interface EngineOptions {
  /** As the user typed it: for the lock, the journal and whoever waits. */
  command: string;
  /** Who asks; found out only where it is to be kept. */
  actor?(): Actor;
  lockTimeoutMs: number;
  signal: AbortSignal;
  progress(event: Progress): void;
  /** False: what is due is not seen to first, for this command is what makes that possible. */
  settles?: boolean;
  /** All that it is about: nothing else is read, and nothing is settled. For what is done often, and has to be quick. */
  only?: readonly ResourceRef[];
  /** A line for the person: who holds the lock, what an earlier kuke left. */
  notice(message: string): void;
  /** Told who holds the lock, in the person's place. */
  waits?(holder?: LockHolder): void;
}

export const waitingFor = (holder?: LockHolder): string =>
  `waiting for another kuke to end${holder ? `: pid ${holder.pid}, ${holder.command}` : ''}`;

export interface Settled {
  notes: string[];
  unlimited: KukeError[];
}

export interface Session {
  tree: ResourceTree;
  /** Whether others wait for the lock. */
  isAwaited(): boolean;
  /** To plan with: what the host has been seen to be like under the lock, if nothing has been changed since; else it is looked at anew. */
  observing(): ObserveContext;
  /**
   * Runs a plan to its end; throws what execute() throws. What an earlier kuke still had to do with its resources is dropped then, unless
   * nobody asked for the plan: `isDue`.
   */
  run(plan: Plan, options?: { isDue: boolean }): Promise<void>;
  /**
   * What follows for those below from a change of the resource, such as limits that containers take from their space. Returns what the person
   * is to know of it, and limits that could not be set. `isPlanned`: the same command comes to it anyway.
   */
  settleBelow(ref: ResourceRef, isPlanned: (ref: ResourceRef) => boolean): Promise<Settled>;
  /** Gives each level what of memory is reserved in it, as it is to be. What goes wrong is told, and holds nobody up. */
  reserve(asked: AskedOf): Promise<void>;
  /** Writes the status that the host gives the resource now into its file, and returns the resource with it. */
  saveStatus(resource: Resource): Promise<Resource>;
}

const ofLimits = (error: KukeError): boolean =>
  [error, ...error.also].some(({ details }) => details.operation === 'cgroup.limit');

/** Takes the lock, and gives it back whatever happens. */
export async function withSession<T>(
  kernel: Kernel,
  journal: Journal,
  options: EngineOptions,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const { command, signal, notice } = options;
  const store = await kernel.use('store');
  const takeLock = (): Promise<StoreLock> =>
    store.lock({
      command,
      timeoutMs: options.lockTimeoutMs,
      signal,
      onWait: options.waits ?? (holder => notice(waitingFor(holder))),
    });
  const lock = await traced('command', 'lock', takeLock, command);
  kernel.forgetInstance();
  try {
    const execution: ExecuteContext = {
      operations: kernel.operations,
      hooks: kernel.hooks,
      signal,
      progress: options.progress,
      note: notice,
    };
    // Nothing is changed on a host whose containers nobody can see, save by the command that is to mend that (spec.md §6). What is quick looks
    // at some of them before anything else.
    const isLooking = options.only !== undefined && journal.isEmpty();
    const isReady = isLooking || options.settles === false || (await store.instance()) === undefined;
    if (!isReady) await (await kernel.use('runtime')).ping();
    // Without the lock a journal may be of a kuke that is at work: a dry run only looks at it.
    const looked = kernel.dryRun && journal.look();
    for (const one of looked?.left ?? []) tellWaiting(one, notice);
    const { plans, unreadable } = looked ? { plans: [], ...looked } : journal.unfinished();
    const recovered = await traced('command', 'recover', () => recover(plans, execution));
    let left = recovered.flatMap(recovery => tell(recovery, notice));
    for (const one of unreadable) tellUnreadable(one, notice);
    for (const path of journal.foreign()) notice(`warning: ${path} is no journal of kuke's, and is left alone`);
    const tree = await readTree(kernel, options.only);
    let seen: ObserveContext | undefined;
    let reserved = askedIn(kernel.kinds, tree).reserved();
    const session: Session = {
      tree,
      isAwaited: lock.isAwaited,
      observing: () => seen ?? makeObserveContext(tree),
      async run(plan, { isDue } = { isDue: false }) {
        await kernel.hooks.call('plan:made', { plan });
        if (plan.steps.length === 0) return;
        seen = undefined;
        if (kernel.dryRun) return kernel.dryRun.plan(plan, kernel.operations, kernel.use);
        const id = `${journal.nextTime()}-${nextId()}`;
        const { steps, onFailure } = plan;
        const isAside = kernel.settings.isSupervised === true;
        const entry = journal.open(id, { onFailure: onDeath(plan, kernel.operations), steps }, command, { isAside });
        const whole = () => {
          if (!isDue) left = supersede(left, new Set(steps.map(({ resource }) => resource)));
        };
        const state = { started: new Map(), results: new Map(), whole };
        await execute({ id, onFailure, steps, journal: entry, ...state }, execution);
      },
      async settleBelow(ref, isPlanned) {
        const told: Told[] = [];
        if (!kernel.kinds.all().some(({ parent, lifecycle }) => parent === ref.kind && lifecycle))
          return { notes: [], unlimited: [] };
        const below = tree.descendants(ref).filter(one => !isPlanned(one.ref));
        await settle(kernel, session, below, makeObserveContext(tree), one => void told.push(one));
        const unlimited = told.flatMap(({ error }) => (error !== undefined && ofLimits(error) ? [error] : []));
        const others = told.filter(({ error }) => error === undefined || !unlimited.includes(error));
        const notes = [...Map.groupBy(others, ({ message }) => message)].map(
          ([message, same]) => `${same.map(({ resource }) => resource).join(', ')}: ${message}`,
        );
        return { notes, unlimited };
      },
      async reserve(asked) {
        const paths = differing(reserved, asked.reserved());
        reserved = asked.reserved();
        if (paths.length === 0) return;
        const options = { verb: 'settle', stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS } as const;
        const context = planContext(makePlan('finish'), options, [], session.observing(), asked);
        try {
          await planReserved(kernel.use, context, paths);
          await session.run(context.plan, { isDue: true });
        } catch (thrown) {
          notice(asKukeError(thrown).summary);
        }
      },
      async saveStatus(resource) {
        const now = await observed(kernel, makeObserveContext(tree, resource.ref), resource);
        const { ref, manifest } = now;
        tree.set(now);
        seen = undefined;
        const write = () =>
          store.write({ ref, manifest }, { signal: new AbortController().signal, progress: () => {} });
        await traced('command', 'store the status', write, describe(ref));
        return now;
      },
    };
    if (options.settles !== false && options.only === undefined) {
      const tellFailure = ({ error }: Told) => {
        if (error !== undefined) notice(error.summary);
      };
      const observe = makeObserveContext(tree);
      seen = observe;
      await traced('command', 'settle', () => settle(kernel, session, tree.all(), observe, tellFailure));
      // Whoever applies it next finds nothing to do, and so would leave the status from before. It is an observation: it fails nothing.
      const touched = new Set(recovered.flatMap(({ plan }) => plan.steps.map(({ resource }) => resource)));
      for (const one of tree.all()) if (touched.has(describe(one.ref))) await session.saveStatus(one).catch(() => {});
    }
    const used = await use(session);
    await session.reserve(askedIn(kernel.kinds, tree));
    return used;
  } finally {
    await lock.release();
  }
}

/** What became of an earlier kuke's plan. Returns it if it stays in the journal. */
function tell({ plan, done, failures }: Recovery, notice: (message: string) => void): UnfinishedPlan[] {
  const how = failures.length === 0 ? `has been ${done}` : `could not be ${done} whole`;
  notice(`an earlier command that did not end ${how}: ${plan.command}`);
  for (const failure of failures) notice(`  ${failure.summary}`);
  if (failures.length === 0) return [];
  notice(`  the next command tries again; to give it up, remove ${plan.path}`);
  return [plan];
}

function tellWaiting({ command }: { command: string }, notice: (message: string) => void): void {
  notice(`another command has not ended, and would end, be undone or be finished first: ${command}`);
}

function tellUnreadable({ path, why }: UnreadablePlan, notice: (message: string) => void): void {
  notice(
    `what an earlier command began can be neither undone nor finished, for its journal cannot be read: ${path}: ${why} (apply or delete what it was about again, then remove the file)`,
  );
}
