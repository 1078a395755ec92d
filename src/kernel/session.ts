/** A time under the lock: what an earlier kuke left is dealt with, what is due is settled, then plans are made and run. */
import hyperid from 'hyperid';
import type { StoreLock } from './backends/index.ts';
import { planReserved } from './cgroup-steps.ts';
import { diffSpecs, type FieldChange, valueAt } from './diff.ts';
import { asKukeError, KukeError } from './errors.ts';
import { type ExecuteContext, execute, type Progress } from './execute.ts';
import type { Journal, UnfinishedPlan, UnreadablePlan } from './journal.ts';
import type { ObserveContext, Resource } from './kinds.ts';
import { differing } from './limits/reserved.ts';
import { type AskedOf, askedIn } from './limits/wanted.ts';
import { makeObserveContext, observed, readTree } from './observe.ts';
import { intentOf, makePlan, type Plan } from './plan.ts';
import { DEFAULT_STOP_TIMEOUT_MS, type PlanContext, type PlanOptions } from './planning.ts';
import { type Recovery, recover, supersede } from './recover.ts';
import type { Kernel } from './registry.ts';
import { describe, type Manifest, type ResourceRef } from './resource.ts';
import { traced } from './trace.ts';
import { type ResourceTree, refuseDamaged, refuseOtherCase } from './tree.ts';

const nextId = hyperid({ urlSafe: true });

export interface EngineOptions {
  /** As the user typed it: for the lock, the journal and whoever waits. */
  command: string;
  lockTimeoutMs: number;
  signal: AbortSignal;
  progress(event: Progress): void;
  /** False: what is due is not seen to first, for this command is what makes that possible. */
  settles?: boolean;
  /** All that it is about: nothing else is read, and nothing is settled. For what is done often, and has to be quick. */
  only?: readonly ResourceRef[];
  /** A line for the person: who holds the lock, what an earlier kuke left. */
  notice(message: string): void;
}

export interface Planned {
  plan: Plan;
  changes: FieldChange[];
  notes: string[];
}

/** Plans one resource against what is stored and observed. Changes nothing. `asked`: of all groups, when the command is done. */
export async function planResource(
  kernel: Kernel,
  tree: ResourceTree,
  desired: Resource,
  options: PlanOptions,
  observe = makeObserveContext(tree),
  asked = askedIn(kernel.kinds, tree.with([desired])),
): Promise<Planned> {
  refuseDamaged(tree, desired.ref, 'itself');
  const stored = tree.find(desired.ref);
  const lifecycle = kernel.kinds.lifecycle(desired.ref.kind);
  const changes = stored === undefined ? [] : changesOf(kernel, stored, desired);
  // Undone when it fails, also where it changes a resource; save when it takes away what was there: `intentOf`.
  const context = planContext(makePlan('create'), options, changes, observe, asked);
  const { plan } = context;
  if (stored === undefined || changes.length > 0) {
    const previous = stored?.manifest;
    plan.add(desired.ref, 'store.write', {
      ref: desired.ref,
      manifest: unobserved(desired.manifest),
      ...(previous && { previous }),
    });
  }
  await traced('command', 'plan', () => lifecycle.plan(context, desired, stored), describe(desired.ref));
  return { plan, changes, notes: context.notes };
}

/** Its status is from before the change: who finds it so stores it anew, if this kuke does not live to do it. */
function unobserved(manifest: Manifest): Manifest {
  if (manifest.status === undefined) return manifest;
  const { observedAt: _, ...status } = manifest.status;
  return { ...manifest, status };
}

/** Whether the stored status was observed after all that was done. */
export const hasStatus = (stored: Resource | undefined): boolean => stored?.manifest.status?.observedAt !== undefined;

export function planContext(
  plan: Plan,
  options: PlanOptions,
  changes: FieldChange[],
  observe: ObserveContext,
  asked: AskedOf,
): PlanContext & { notes: string[]; keeps: { status: boolean } } {
  const notes: string[] = [];
  const keeps = { status: false };
  return {
    ...observe,
    asked,
    plan,
    options,
    changes,
    notes,
    keeps,
    keepStatus() {
      keeps.status = true;
    },
    note(message) {
      if (!notes.includes(message)) notes.push(message);
    },
  };
}

/** Field by field; a change of what is fixed at creation is a conflict, unless it only spells out what holds already. */
function changesOf(kernel: Kernel, stored: Resource, desired: Resource): FieldChange[] {
  const resource = describe(desired.ref);
  refuseOtherCase(stored.ref, desired.ref);
  const { spec } = kernel.kinds.get(desired.ref.kind);
  const changes = diffSpecs(spec, stored.manifest.spec, desired.manifest.spec);
  const fixed = changes.find(
    ({ change, keys }) =>
      change === 'immutable' && !Bun.deepEquals(valueAt(stored.spec, keys), valueAt(desired.spec, keys)),
  );
  if (fixed !== undefined) {
    const held = valueAt(stored.spec, fixed.keys);
    const now = held === undefined ? 'not set' : JSON.stringify(held);
    throw new KukeError('Conflict', `${fixed.path} cannot be changed (it is ${now})`, {
      resource,
      field: fixed.path,
      remedy: 'delete the resource and create it anew, or leave the field as it is',
    });
  }
  return [...changes, ...metadataChanges(stored, desired)];
}

function metadataChanges(stored: Resource, desired: Resource): FieldChange[] {
  return (['labels', 'annotations'] as const).flatMap(key => {
    const from = stored.manifest.metadata[key] ?? {};
    const to = desired.manifest.metadata[key] ?? {};
    if (Bun.deepEquals(from, to)) return [];
    return [{ path: `metadata.${key}`, keys: [key], from, to, change: 'in-place' as const }];
  });
}

export interface Settled {
  notes: string[];
  unlimited: KukeError[];
}

export interface Session {
  tree: ResourceTree;
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
      onWait: holder =>
        notice(`waiting for another kuke to end${holder ? `: pid ${holder.pid}, ${holder.command}` : ''}`),
    });
  const lock = await traced('command', 'lock', takeLock);
  kernel.forgetInstance();
  try {
    const execution: ExecuteContext = {
      operations: kernel.operations,
      hooks: kernel.hooks,
      signal,
      progress: options.progress,
      note: notice,
    };
    // Nothing is changed on a host whose containers nobody can see, save by the command that is to mend that (spec.md §6).
    const isReady = options.settles === false || (await store.instance()) === undefined;
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
      observing: () => seen ?? makeObserveContext(tree),
      async run(plan, { isDue } = { isDue: false }) {
        await kernel.hooks.call('plan:made', { plan });
        if (plan.steps.length === 0) return;
        seen = undefined;
        if (kernel.dryRun) return kernel.dryRun.plan(plan, kernel.operations, kernel.use);
        const id = `${Date.now().toString(36)}-${nextId()}`; // in the order of time, as recovery reads them
        const { steps } = plan;
        const intent = intentOf(plan, kernel.operations);
        const entry = journal.open(id, { intent, steps }, command);
        const whole = () => {
          if (!isDue) left = supersede(left, new Set(steps.map(({ resource }) => resource)));
        };
        const isUndoable = plan.intent === 'create';
        const state = { started: new Map(), results: new Map(), whole };
        await execute({ id, intent, isUndoable, steps, journal: entry, ...state }, execution);
      },
      async settleBelow(ref, isPlanned) {
        const told: Told[] = [];
        if (!kernel.kinds.all().some(({ parent, lifecycle }) => parent === ref.kind && lifecycle))
          return { notes: [], unlimited: [] };
        const below = tree.descendants(ref).filter(one => !isPlanned(one.ref));
        await settle(kernel, session, below, makeObserveContext(tree), one => void told.push(one));
        const unlimited = told.flatMap(({ error }) => (error?.details.step === 'cgroup.limit' ? [error] : []));
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
        const context = planContext(makePlan('update'), options, [], session.observing(), asked);
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

/** Whether nothing is due without anybody asking. Changes nothing. */
export async function isSettled(kernel: Kernel, tree: ResourceTree, observe: ObserveContext): Promise<boolean> {
  const asked = askedIn(kernel.kinds, tree);
  for (const resource of tree.all()) {
    const due = await planDue(kernel, resource, observe, asked).catch(() => undefined);
    if (due === undefined || due.isDue) return false;
  }
  return true;
}

async function planDue(
  kernel: Kernel,
  resource: Resource,
  observe: ObserveContext,
  asked: AskedOf,
): Promise<{ plan: Plan; notes: string[]; isDue: boolean }> {
  const options = { verb: 'settle', stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS } as const;
  const context = planContext(makePlan('update'), options, [], observe, asked);
  await kernel.kinds.lifecycle(resource.ref.kind).planSettle?.(context, resource);
  const { plan, notes, keeps } = context;
  // One that was made by hand, or by a kuke that died just then, has no status yet, which others may need.
  const lacksStatus = resource.manifest.status === undefined;
  return { plan, notes, isDue: plan.steps.length > 0 || keeps.status || lacksStatus };
}

/** `cell main/default/blog/web`, and what there is to say of it. */
interface Told {
  resource: string;
  message: string;
  /** It could not be settled. */
  error?: KukeError;
}

/** What is due without anybody asking; a failure here is told and holds nobody up. */
async function settle(
  kernel: Kernel,
  session: Session,
  resources: readonly Resource[],
  observe: ObserveContext,
  tell: (told: Told) => void,
): Promise<void> {
  const asked = askedIn(kernel.kinds, session.tree);
  for (const one of resources) {
    const resource = describe(one.ref);
    try {
      const { plan, notes, isDue } = await planDue(kernel, one, observe, asked);
      for (const message of notes) tell({ resource, message });
      if (!isDue) continue;
      await session.run(plan, { isDue: true });
      await session.saveStatus(one);
    } catch (thrown) {
      const error = asKukeError(thrown, 'Failed', { resource });
      // Without a runtime nothing can be told of a cell, and the command itself says so if it needs one.
      if (error.code !== 'RuntimeUnavailable') tell({ resource, message: error.message, error });
    }
  }
}
