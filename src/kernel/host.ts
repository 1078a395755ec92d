/** `init` and `uninstall`: what plugins do to make the host ready, and to leave it as it was. */
import { apply, type Outcome } from './apply.ts';
import { CGROUP_ROOT } from './cgroup-steps.ts';
import { KukeError } from './errors.ts';
import type { Journal } from './journal.ts';
import type { Resource } from './kinds.ts';
import { makePlan } from './plan.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from './planning.ts';
import type { Kernel } from './registry.ts';
import { removeAll } from './remove.ts';
import { type EngineOptions, withSession } from './session.ts';

const host = { kind: 'Host', path: [] };

/** Makes the instance id once, lets the plugins prepare the host, and applies `resources`. */
export async function init(
  kernel: Kernel,
  journal: Journal,
  resources: Resource[],
  flags: Record<string, unknown>,
  options: EngineOptions,
): Promise<Outcome[]> {
  const store = await kernel.use('store');
  await withSession(kernel, journal, options, async session => {
    const isNew = (await store.instance()) === undefined;
    if (isNew) {
      const plan = makePlan('create');
      plan.add(host, 'store.writeFile', { path: 'instance', content: `${crypto.randomUUID()}\n` });
      await session.run(plan);
    }
    try {
      const plan = makePlan('create');
      await kernel.hooks.call('host:init', { plan, flags });
      await session.run(plan);
    } catch (thrown) {
      // A host that is not ready is left as it was found; plugins that lie there already stay.
      if (isNew) {
        const plan = makePlan('delete');
        plan.add(host, 'store.removeFile', { path: 'instance' });
        await session.run(plan);
      }
      throw thrown;
    }
  });
  return apply(kernel, journal, resources, options);
}

/** Removes every resource, then all else that plugins have made. Throws when a resource could not be removed. */
export async function uninstall(kernel: Kernel, journal: Journal, options: EngineOptions): Promise<Outcome[]> {
  const store = await kernel.use('store');
  return withSession(kernel, journal, options, async session => {
    if ((await store.instance()) === undefined && session.tree.all().length === 0) return [];
    const damaged = session.tree.problems.map(({ path }) => path);
    if (damaged.length > 0) {
      const message = `what ${damaged.join(', ')} describes cannot be read, so it cannot be removed`;
      throw new KukeError('MetadataCorrupt', message);
    }
    const refs = session.tree.all().map(({ ref }) => ref);
    const outcomes = await removeAll(kernel, session, refs, { cascade: true, stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS });
    const errors = outcomes.flatMap(outcome => (outcome.error ? [outcome.error] : []));
    const [first] = errors;
    if (first !== undefined)
      throw new KukeError(first.code, 'not everything could be removed, so kuke stays', {}, errors);
    const plan = makePlan('delete');
    plan.add(host, 'cgroup.remove', { path: CGROUP_ROOT });
    await kernel.hooks.call('host:uninstall', { plan });
    const before = plan.steps.map(({ id }) => ({ id }));
    plan.add(host, 'store.purge', {}, before);
    await session.run(plan);
    return outcomes;
  });
}
