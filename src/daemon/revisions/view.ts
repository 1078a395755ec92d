/**
 * All resources as they were when they were last looked at. Whoever reads is given that, so that an answer does not wait for the host; when
 * something has changed, by whatever hand, backends say so (kernel/backends/watch.ts), and all is looked at again.
 */
import type { Watchable } from '../../kernel/backends/watch.ts';
import { changesOf, comparable, type Seen } from '../../kernel/changes.ts';
import { asKukeError } from '../../kernel/errors.ts';
import { AGAIN_MS, withoutInBetween } from '../../kernel/in-between.ts';
import type { Journal } from '../../kernel/journal.ts';
import type { Resource } from '../../kernel/kinds.ts';
import { embedded, makeObserveContext, observed, readTree } from '../../kernel/observe.ts';
import { othersTurn } from '../../kernel/others-turn.ts';
import { inParallel } from '../../kernel/parallel.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { keyOf } from '../../kernel/resource.ts';
import type { ResourceTree } from '../../kernel/tree.ts';
import { makeRing, type Ring } from './ring.ts';

export interface Snapshot {
  revision: string;
  /** By `keyOf`, parents before their children; those that others declare too. */
  resources: ReadonlyMap<string, Seen>;
  tree: ResourceTree;
}

export interface ResourceView {
  readonly ring: Ring;
  /** As it is known; `isFresh`: looked at for this answer. */
  now(options?: { isFresh?: boolean }): Promise<Snapshot>;
  /** Something was changed by this daemon: who reads from now on waits until that has been seen. */
  outdate(): void;
  /** Called after each change, until the signal. */
  subscribe(changed: () => void, signal: AbortSignal): void;
  stop(): void;
}

export interface ViewOptions {
  kernel(): Promise<Kernel>;
  /** By which one tells what commands are at work on. */
  journal: Journal;
  log(level: 'debug' | 'warn', message: string, fields?: Record<string, unknown>): void;
  /** How many changes are kept for those who resume. */
  capacity?: number;
}

const CAPACITY = 4096;
/** What belongs together comes together: a start is a dozen events. */
const GATHER_MS = 20;
/** Of the time, looking takes a fifth at most, however much goes on. */
const REST = 4;
/** What no backend tells of, such as a link that somebody has deleted, is seen by who reads after so long. */
const STALE_MS = 2000;
/** Without anybody who reads or watches for so long, it is not kept up any more. */
const UNUSED_MS = 60_000;
const AT_ONCE = 8;

export function makeView({ kernel, journal, log, capacity = CAPACITY }: ViewOptions): ResourceView {
  const ring = makeRing(capacity);
  const subscribers = new Set<() => void>();
  let known: Snapshot | undefined;
  let lookedAt = 0;
  /** How often something was changed by us, and how much of that has been seen, or is being looked at. */
  let changed = 1;
  let seen = 0;
  let lookingAt = 0;
  let looking: Promise<Snapshot> | undefined;
  let due: Timer | undefined;
  let rested = Promise.resolve();
  let watching: AbortController | undefined;
  let unused: Timer | undefined;
  let isStopped = false;

  const look = async (): Promise<Snapshot> => {
    const began = performance.now();
    lookingAt = changed;
    const upTo = changed;
    try {
      const { tree, resources, isHeld } = await lookAt(await kernel(), journal, known?.resources);
      const changes = changesOf(known?.resources, resources);
      const before = known?.resources;
      ring.push(
        changes.map(change => {
          const earlier = before?.get(keyOf(change.resource.ref));
          const size = (resources.get(keyOf(change.resource.ref)) ?? earlier)?.text.length ?? 0;
          return { change, size, ...(earlier && { before: earlier.resource }) };
        }),
      );
      known = { revision: ring.latest, resources, tree };
      lookedAt = performance.now();
      seen = upTo;
      if (isHeld) setTimeout(noticed, AGAIN_MS).unref();
      if (changes.length > 0) for (const tell of [...subscribers]) tell();
      return known;
    } finally {
      rested = Bun.sleep((performance.now() - began) * REST);
    }
  };
  /** One at a time: who asks while one is under way may not have been in time for it, and gets the next. */
  let next: Promise<Snapshot> | undefined;
  const lookAnew = (): Promise<Snapshot> => {
    if (looking === undefined) {
      looking = look().finally(() => {
        looking = undefined;
      });
      return looking;
    }
    const current = looking;
    next ??= current
      .catch(() => {})
      .then(() => {
        next = undefined;
        return lookAnew();
      });
    return next;
  };
  const noticed = (): void => {
    if (due !== undefined || isStopped) return;
    due = setTimeout(() => {
      rested.then(() => {
        due = undefined;
        if (!isStopped) lookAnew().catch(thrown => log('warn', `resources: ${asKukeError(thrown).summary}`));
      });
    }, GATHER_MS);
  };
  const begin = async (): Promise<void> => {
    if (watching !== undefined || isStopped) return;
    const ours = new AbortController();
    watching = ours;
    try {
      await watch(await kernel(), noticed, ours.signal, log);
    } catch (thrown) {
      // Nothing is set up yet: the next who asks tries again.
      watching = undefined;
      log('debug', `resources are not watched: ${asKukeError(thrown).summary}`);
    }
  };
  const used = (): void => {
    clearTimeout(unused);
    unused = setTimeout(() => {
      if (subscribers.size > 0) return used();
      watching?.abort();
      watching = undefined;
    }, UNUSED_MS).unref();
  };
  return {
    ring,
    async now({ isFresh = false } = {}) {
      used();
      await begin();
      // While much goes on, one look follows the other, and nobody waits for the next.
      const isBusy = due !== undefined || looking !== undefined;
      const isOld = !isBusy && performance.now() - lookedAt > STALE_MS;
      if (isFresh || watching === undefined) return lookAnew();
      if (known !== undefined && seen === changed && !isOld) return known;
      return looking !== undefined && lookingAt === changed ? looking : lookAnew();
    },
    outdate() {
      changed += 1;
      if (watching !== undefined) noticed();
    },
    subscribe(told, signal) {
      if (signal.aborted) return;
      subscribers.add(told);
      signal.addEventListener('abort', () => subscribers.delete(told), { once: true });
    },
    stop() {
      isStopped = true;
      clearTimeout(due);
      clearTimeout(unused);
      watching?.abort();
    },
  };
}

/** What lies within a resource is told as it is told itself. */
async function lookAt(
  kernel: Kernel,
  journal: Journal,
  known: Snapshot['resources'] | undefined,
): Promise<{ tree: ResourceTree; resources: Map<string, Seen>; isHeld: boolean }> {
  const tree = await readTree(kernel);
  const context = makeObserveContext(tree);
  const seen = await inParallel(tree.all(), AT_ONCE, resource => observed(kernel, context, resource));
  const { told, isHeld } = await withoutInBetween(kernel, journal, known, await compared(seen));
  const all = [...told.values()].map(({ resource }) => resource);
  const parts = kernel.kinds.all().flatMap(({ kind, parent, embedded: isPart }) => {
    const parents = isPart === undefined ? [] : all.filter(({ ref }) => ref.kind === parent);
    return embedded(kernel, kind, parents);
  });
  return { tree, resources: new Map([...told, ...(await compared(parts))]), isHeld };
}

async function compared(resources: readonly Resource[]): Promise<Map<string, Seen>> {
  const seen = new Map<string, Seen>();
  for (const resource of resources) {
    await othersTurn();
    seen.set(keyOf(resource.ref), { resource, text: comparable(resource) });
  }
  return seen;
}

/** Throws where the store cannot be watched; without the others, less is seen. */
async function watch(kernel: Kernel, noticed: () => void, signal: AbortSignal, log: ViewOptions['log']): Promise<void> {
  const begin = async (name: 'store' | 'runtime' | 'cgroup'): Promise<void> => {
    try {
      const backend: Watchable = await kernel.use(name);
      await backend.watch?.(noticed, signal);
    } catch (thrown) {
      if (name === 'store') throw thrown;
      if (!signal.aborted) log('warn', `changes of the ${name} are not seen: ${asKukeError(thrown).summary}`);
    }
  };
  await Promise.all([begin('store'), begin('runtime'), begin('cgroup')]);
}
