/** `init` and `uninstall`: what plugins do to make the host ready, and to leave it as it was. */
import { apply, type Outcome } from './apply.ts';
import { CGROUP_ROOT } from './cgroup-steps.ts';
import { KukeError } from './errors.ts';
import type { Journal } from './journal.ts';
import type { Resource } from './kinds.ts';
import { makePlan, type Plan } from './plan.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from './planning.ts';
import type { Kernel } from './registry.ts';
import { removeAll } from './remove.ts';
import { describe } from './resource.ts';
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
  const plan = makePlan('create');
  await withSession(kernel, journal, { ...options, settles: false }, async session => {
    const isNew = (await store.instance()) === undefined;
    if (isNew) {
      const first = makePlan('create');
      first.add(host, 'store.writeFile', { path: 'instance', content: `${crypto.randomUUID()}\n` });
      await session.run(first);
    }
    try {
      await kernel.hooks.call('host:init', { plan, flags });
      await session.run(plan);
    } catch (thrown) {
      // A host that is not ready is left as it was found; plugins that lie there already stay.
      if (isNew) {
        const undoing = makePlan('delete');
        undoing.add(host, 'store.removeFile', { path: 'instance' });
        await session.run(undoing);
      }
      throw thrown;
    }
  });
  const outcomes = await apply(kernel, journal, resources, options);
  return outcomes.map(outcome => ({ ...outcome, ...changedBy(plan, outcome) }));
}

/** What preparing the host has changed of a resource that is otherwise as it was, such as a conflist that was written anew. */
function changedBy(plan: Plan, { ref, result }: Outcome): Pick<Outcome, 'result' | 'steps'> | undefined {
  const steps = plan.steps.filter(({ resource }) => resource === describe(ref)).map(({ type }) => type);
  return steps.length > 0 && result === 'unchanged' ? { result: 'updated', steps } : undefined;
}

/** Removes every resource, then all else that plugins have made. Throws when a resource could not be removed. */
export async function uninstall(kernel: Kernel, journal: Journal, options: EngineOptions): Promise<Outcome[]> {
  const store = await kernel.use('store');
  return withSession(kernel, journal, options, async session => {
    if ((await store.instance()) === undefined && session.tree.all().length === 0) return [];
    const [damaged, ...more] = session.tree.problems.map(
      ({ path, ref, message }) =>
        new KukeError('MetadataCorrupt', `${path} cannot be read, so it cannot be removed: ${message}`, {
          ...(ref === undefined ? {} : { resource: describe(ref) }),
          remedy: 'mend or remove the file, or bring back the plugin of its kind, then run the command again',
        }),
    );
    if (damaged !== undefined) throw new KukeError('MetadataCorrupt', damaged.message, damaged.details, more);
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
