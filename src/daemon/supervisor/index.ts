/** Keeps every resource that says so as it is to be (docs/supervision.md): started by the daemon, ended by its signal. */
import type { Availability, ContainerChange } from '../../kernel/backends/index.ts';
import { asKukeError } from '../../kernel/errors.ts';
import type { Journal } from '../../kernel/journal.ts';
import type { ObserveContext } from '../../kernel/kinds.ts';
import { makeObserveContext, readTree } from '../../kernel/observe.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { keyOf, type ResourceRef } from '../../kernel/resource.ts';
import { type EngineOptions, withSession } from '../../kernel/session.ts';
import { traced } from '../../kernel/trace.ts';
import type { ResourceTree } from '../../kernel/tree.ts';
import { type Acting, actOn } from './act.ts';
import { deleteAll, startAll } from './bring-back.ts';
import { changed } from './decide.ts';
import { drop, type Entry, type Looked, lookAt, makeEntry, supervisionOf } from './entry.ts';
import { makeHealthWatch } from './health-watch.ts';
import { LATER_MS, makeManyLooks, type Shared } from './many-looks.ts';
import { makeMending } from './mend.ts';

export interface SupervisorEvent {
  ref: ResourceRef;
  /** `died`: seen to have ended by itself, or by somebody's signal; `killed`: by the kernel, for want of memory; `ended`: stopped by the supervisor. */
  what:
    | 'died'
    | 'killed'
    | 'ended'
    | 'started'
    | 'restarted'
    | 'settled'
    | 'deleted'
    | 'healthy'
    | 'unhealthy'
    | 'failed';
  /** The containers that it is about. */
  members: string[];
  /** Of `failed`, `killed`, `unhealthy`, `restarted` and `ended`: why; of `settled`: by what. */
  message?: string;
  /** Of `died` and `killed`, where it is known. */
  exitCode?: number;
}

export interface SupervisorOptions {
  /** With all plugins, for commands that change the host. */
  openKernel(): Promise<Kernel>;
  journal: Journal;
  engine: Pick<EngineOptions, 'lockTimeoutMs' | 'progress' | 'notice' | 'waits'>;
  signal: AbortSignal;
  onChange?(event: SupervisorEvent): void;
  /** It does not answer any more, or does again: `containerd 2.1.4`, after so many milliseconds. */
  onRuntime?(is: { what: 'away' } | { what: 'back'; runtime?: string; awayMs: number }): void;
}

export interface Supervisor {
  /** All that is under way has come to its end; nothing of it is undone. Never rejects. */
  ended: Promise<void>;
  /** Looks at everything now. */
  sweep(): Promise<void>;
}

/** What events have missed is found by then. */
const SWEEP_MS = 30_000;
/** After a change of what is stored, until all of it is read again: so many times as long as that takes. */
const REST = 10;
const LEAST_REST_MS = 100;
/** So long after one look at links and rules until the next, at least. */
const LEAST_MEND_MS = 2000;
/** What is stored is read again now and then, though nobody has told of a change. */
const LONGEST_TRUST_MS = 300_000;

/** Resolves once it watches, and has looked at everything for the first time. Throws what opening the kernel throws. */
export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const { signal, journal, engine } = options;
  const kernel = await options.openKernel();
  const entries = new Map<string, Entry>();
  const byContainer = new Map<string, Entry>();
  const due = new Set<Entry>();
  const running = { ...engine, signal, command: 'kukeond' };
  const find = (ref: ResourceRef) => entries.get(keyOf(ref));
  const acting: Acting = { kernel, journal, engine: running, tell: event => options.onChange?.(event), find };
  const complain = (thrown: unknown): void => {
    const error = asKukeError(thrown);
    // Everybody sees that containerd is away, and it is looked at again when it is back.
    if (error.code !== 'RuntimeUnavailable' && !signal.aborted) engine.notice(error.summary);
  };

  let tree: ResourceTree | undefined;
  let readMs = 0;
  let readAt = 0;
  let reading: Promise<ResourceTree> | undefined;
  /** How often the store has told of a change. */
  let storeChanges = 0;

  /** One reads at a time, so that nobody's older one comes after a newer. */
  async function currentTree(): Promise<ResourceTree> {
    while (reading !== undefined) await reading.catch(() => {});
    if (tree !== undefined) return tree;
    reading = readAll().finally(() => {
      reading = undefined;
    });
    return reading;
  }

  async function readAll(): Promise<ResourceTree> {
    const started = performance.now();
    const before = storeChanges;
    const read = await readTree(kernel);
    readAt = performance.now();
    readMs = readAt - started;
    // What was told of meanwhile may have come too late for it.
    if (before === storeChanges) tree = read;
    const present = read.all().filter(({ ref }) => supervisionOf(kernel, ref) !== undefined);
    const keys = new Set(present.map(({ ref }) => keyOf(ref)));
    for (const [key, entry] of entries) if (!keys.has(key)) forget(key, entry);
    for (const resource of present) {
      const { references, precedence } = kernel.kinds.get(resource.ref.kind);
      const needs = [...(references?.(resource) ?? []), ...(precedence?.(resource) ?? [])];
      const there = entries.get(keyOf(resource.ref));
      const entry = there ?? newEntry(resource.ref, needs);
      entry.needs = needs;
      entry.isNew ||= !Bun.deepEquals(entry.spec, resource.manifest.spec);
      entry.spec = resource.manifest.spec;
      entries.set(keyOf(resource.ref), entry);
    }
    return read;
  }

  function newEntry(ref: ResourceRef, needs: ResourceRef[]): Entry {
    const entry = makeEntry(
      ref,
      needs,
      makeHealthWatch((id, pid, health, message) => {
        const known = entry.memory.members.get(id);
        if (known?.pid !== pid) return;
        entry.memory = changed(entry.memory, [id], one => ({ ...one, health }));
        entry.isUnsaved = true;
        if (health !== 'starting' && health !== known.health)
          acting.tell({ ref, what: health, members: [id], message });
        lookSoon(entry);
      }),
    );
    return entry;
  }

  function forget(key: string, entry: Entry): void {
    drop(entry);
    entries.delete(key);
    for (const [id, one] of byContainer) if (one === entry) byContainer.delete(id);
  }

  /** Without the lock. Something to do: it is due. */
  async function look(entry: Entry, shared?: Shared) {
    const read = shared?.tree ?? (await readTree(kernel, [entry.ref, ...entry.needs]));
    const resource = read.find(entry.ref);
    if (resource === undefined) return;
    entry.isNew = false;
    const began = performance.now();
    const context = shared?.context ?? makeObserveContext(read, entry.ref);
    const looked = await lookAt(kernel, entry, resource, context, find, { isLocked: false });
    if (looked?.isUnsure) return makeDue(entry);
    if (looked === undefined) return;
    if (shared === undefined) entry.lookedAt = began;
    for (const other of entries.values()) if (other.isWaiting && comesAfter(other, entry)) lookSoon(other);
    for (const { container } of looked.seen.members) byContainer.set(`${container.namespace}/${container.id}`, entry);
    schedule(entry, looked);
  }

  const comesAfter = ({ needs }: Entry, { ref }: Entry) => needs.some(one => keyOf(one) === keyOf(ref));

  function schedule(entry: Entry, { decision }: Looked): void {
    clearTimeout(entry.timer);
    if (decision.lookAt !== undefined && !signal.aborted)
      entry.timer = setTimeout(() => lookSoon(entry), Math.max(0, decision.lookAt - performance.now()) + 1);
    if (decision.act !== 'none' || entry.isUnsaved) makeDue(entry);
  }

  function lookSoon(entry: Entry): void {
    if (signal.aborted) return;
    if (entry.isBusy) {
      entry.isAgain = true;
      return;
    }
    entry.isBusy = true;
    void look(entry)
      .catch(complain)
      .finally(() => free(entry));
  }

  function free(entry: Entry): void {
    if (due.has(entry)) return; // until it has been acted on
    entry.isBusy = false;
    if (!entry.isAgain) return;
    entry.isAgain = false;
    lookSoon(entry);
  }

  /** The last one, of which there is one at a time. */
  let draining = Promise.resolve();
  let isDraining = false;
  /** The last time under the lock. */
  let underWay: Promise<unknown> = Promise.resolve();

  function makeDue(entry: Entry): void {
    if (signal.aborted) return;
    entry.isBusy = true;
    due.add(entry);
    if (!isDraining) draining = drain();
  }

  async function drain(): Promise<void> {
    isDraining = true;
    while (due.size > 0 && !signal.aborted) {
      const now = [...due];
      let held = now;
      try {
        const acted = actOn(acting, now);
        underWay = acted.catch(() => {});
        const { starts, deletes, later } = await acted;
        held = [...starts, ...deletes];
        release(now.filter(entry => !held.includes(entry) && !later.includes(entry)));
        await startAll(acting, starts);
        await deleteAll(acting, deletes);
      } catch (thrown) {
        complain(thrown);
      }
      release(held);
    }
    isDraining = false;
  }

  function release(acted: readonly Entry[]): void {
    for (const entry of acted) if (due.delete(entry)) free(entry);
  }

  async function sweep(): Promise<void> {
    try {
      await watchStore();
      if (performance.now() - readAt > LONGEST_TRUST_MS) tree = undefined;
      const read = await currentTree();
      await many.together([...entries.values()], { tree: read, context: makeObserveContext(read) });
      // Where the kernel tells of links and rules, what it does not tell of has time.
      if (!isNetworkWatched || performance.now() - mendedAt > LONGEST_TRUST_MS) await mend(makeObserveContext(read));
    } catch (thrown) {
      complain(thrown);
    }
  }

  const mending = makeMending(acting);
  let mendedAt = Number.NEGATIVE_INFINITY;
  let mendMs = 0;
  async function mend(observe: ObserveContext): Promise<void> {
    if (signal.aborted) return;
    const started = performance.now();
    await mending.look(observe, ({ ref }) => find(ref)?.isBusy ?? false);
    mendedAt = performance.now();
    mendMs = mendedAt - started;
  }

  /** Most of what is told of links and rules is what was asked for. */
  let mended = Promise.resolve();
  let mendDue: ReturnType<typeof setTimeout> | undefined;
  function networksChanged(): void {
    const at = mendedAt + Math.max(LEAST_MEND_MS, mendMs * REST);
    mendDue ??= setTimeout(
      () => {
        mendDue = undefined;
        mended = mended.then(mendNow);
      },
      Math.max(LATER_MS, at - performance.now()),
    );
  }
  async function mendNow(): Promise<void> {
    try {
      await sweeping;
      await mend(makeObserveContext(await currentTree()));
    } catch (thrown) {
      complain(thrown);
    }
  }

  const many = makeManyLooks({
    currentTree,
    one: lookSoon,
    async oneOf(entry, shared) {
      await underWay; // what has crashed goes first
      if (entry.isBusy) return;
      entry.isBusy = true;
      await look(entry, shared).catch(complain);
      free(entry);
    },
    isKept: entry => entries.get(keyOf(entry.ref)) === entry,
    complain,
  });

  /** One sweep at a time; what asks meanwhile gets one more. */
  let sweeping: Promise<void> | undefined;
  let isAgain = false;
  function sweepSoon(): Promise<void> {
    isAgain = sweeping !== undefined;
    sweeping ??= traced('command', 'sweep', sweep).finally(() => {
      sweeping = undefined;
      if (isAgain && !signal.aborted) void sweepSoon();
    });
    return sweeping;
  }

  let awaySince = 0;
  async function tellRuntime({ what }: Availability): Promise<void> {
    if (what === 'away') {
      awaySince = performance.now();
      return options.onRuntime?.({ what });
    }
    const awayMs = Math.round(performance.now() - awaySince);
    const seen = await (await kernel.use('runtime')).ping().catch(() => undefined);
    options.onRuntime?.({ what, awayMs, ...(seen && { runtime: `${seen.name} ${seen.version}` }) });
  }

  function containersChanged(at?: ContainerChange | Availability): void {
    if (at === undefined || !('id' in at)) {
      if (at !== undefined) void tellRuntime(at).catch(complain);
      return void sweepSoon();
    }
    const entry = byContainer.get(`${at.namespace}/${at.id}`);
    if (entry === undefined) return; // one that is being made: what is stored tells of it, too
    if (at.what !== 'ended') return void many.later(entry);
    // It is looked at under the lock anyway.
    if (entry.isBusy) entry.isAgain = true;
    else makeDue(entry);
  }

  /** Statuses change often, what is said seldom. */
  async function lookAtNew(): Promise<void> {
    try {
      await currentTree();
      await many.some([...entries.values()].filter(({ isNew }) => isNew));
    } catch (thrown) {
      complain(thrown);
    }
  }

  let resting: ReturnType<typeof setTimeout> | undefined;
  function storeChanged(): void {
    storeChanges++;
    tree = undefined;
    if (resting !== undefined || signal.aborted) return;
    resting = setTimeout(
      () => {
        resting = undefined;
        void lookAtNew();
      },
      Math.max(LEAST_REST_MS, readMs * REST),
    );
  }

  async function watch(): Promise<void> {
    const runtime = await kernel.use('runtime');
    await Promise.all([runtime.watch?.(containersChanged, signal), watchStore(), watchNetworks()]);
  }

  let isNetworkWatched = false;
  async function watchNetworks(): Promise<void> {
    try {
      const network = await kernel.use('network');
      await network.watch?.(networksChanged, signal);
      isNetworkWatched = network.watch !== undefined;
    } catch (thrown) {
      complain(thrown); // the sweep looks, too
    }
  }

  /** Again with each sweep where nothing is set up yet, or nobody tells of changes. */
  let isStoreWatched = false;
  async function watchStore(): Promise<void> {
    if (isStoreWatched) return;
    try {
      const store = await kernel.use('store');
      await store.watch?.(storeChanged, signal);
      isStoreWatched = store.watch !== undefined;
    } catch {} // told by the sweep, if there is something to keep
    tree = undefined;
  }

  async function adopt(): Promise<void> {
    try {
      // What was under way when an earlier one died is finished or undone, and what is due is seen to.
      await withSession(kernel, journal, { ...running, command: 'kukeond: begin' }, async () => {});
    } catch (thrown) {
      complain(thrown);
    }
  }

  await watch();
  await adopt();
  await sweepSoon();
  const timer = setInterval(() => void sweepSoon(), SWEEP_MS);
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const end = () => {
    clearInterval(timer);
    clearTimeout(resting);
    clearTimeout(mendDue);
    many.end();
    for (const entry of entries.values()) drop(entry);
    void Promise.all([draining, mended, sweeping]).then(() => resolve());
  };
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  return { ended, sweep: sweepSoon };
}
