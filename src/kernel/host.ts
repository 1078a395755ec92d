/** `init` and `uninstall`: what plugins do to make the host ready, and to leave it as it was. */
import { apply, type Desired, type Outcome } from './apply.ts';
import { planRoot } from './cgroup-steps.ts';
import { CGROUP_ROOT } from './cgroups.ts';
import { asKukeError, KukeError } from './errors.ts';
import type { Journal } from './journal.ts';
import { formatLimit, limitsOf } from './limits/limits.ts';
import { askedIn } from './limits/wanted.ts';
import { makeObserveContext } from './observe.ts';
import { makePlan, type Plan, type Step } from './plan.ts';
import { planContext } from './plan-resource.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from './planning.ts';
import type { Kernel } from './registry.ts';
import { removeAll } from './remove.ts';
import { changedReserve, RESERVE_FILE, type Reserve, readReserve, reserveGroup } from './reserve.ts';
import { byHand, reserveText, TAKE_BACK } from './reserve-status.ts';
import { describe } from './resource.ts';
import { type EngineOptions, type Session, withSession } from './session.ts';

const host = { kind: 'Host', path: [] };

/**
 * Makes the instance id once, lets the plugins prepare the host, and applies `resources`. A first one that comes to nothing leaves the host
 * as it found it. Throws Conflict where the state would lie among what is somebody else's. `reserve`: what is to be kept of the host from
 * all that kuke runs; what is absent stays as it was, 0 keeps nothing. Throws Usage for more than the host has.
 */
export async function init(
  kernel: Kernel,
  journal: Journal,
  resources: Desired,
  flags: Record<string, unknown>,
  options: EngineOptions,
  reserve: Reserve = {},
): Promise<Outcome[]> {
  await refuseStrangers(kernel);
  const id = crypto.randomUUID();
  const takeBack = async (failure: KukeError): Promise<KukeError> =>
    failure.with(await leaveAsFound(kernel, journal, id, options));
  try {
    const steps = await prepare(kernel, journal, id, flags, reserve, options);
    const outcomes = await apply(kernel, journal, resources, options);
    const [first, ...others] = outcomes;
    if (first?.error !== undefined && outcomes.every(({ result }) => result === 'failed'))
      return [{ ...first, error: await takeBack(first.error) }, ...others];
    return outcomes.map(outcome => ({ ...outcome, ...changedBy(steps, outcome) }));
  } catch (thrown) {
    throw await takeBack(asKukeError(thrown));
  }
}

async function refuseStrangers(kernel: Kernel): Promise<void> {
  const store = await kernel.use('store');
  if ((await store.instance()) !== undefined) return;
  const strangers = await store.strangers();
  if (strangers.length === 0) return;
  const some = strangers.length > 5 ? [...strangers.slice(0, 5), `${strangers.length - 5} more`] : strangers;
  throw new KukeError('Conflict', `${kernel.settings.runPath} holds what is not kuke's: ${some.join(', ')}`, {
    remedy: 'give a folder of its own: --run-path',
  });
}

/** The steps that were run. `id`: the installation's, where it has none yet. */
async function prepare(
  kernel: Kernel,
  journal: Journal,
  id: string,
  flags: Record<string, unknown>,
  reserve: Reserve,
  options: EngineOptions,
): Promise<Step[]> {
  const store = await kernel.use('store');
  const plan = makePlan('undo');
  const update = makePlan('finish');
  await withSession(kernel, journal, { ...options, settles: false }, async session => {
    if ((await store.instance()) === undefined) {
      const first = makePlan('undo');
      first.add(host, 'store.writeFile', { path: 'instance', content: `${id}\n` });
      await session.run(first);
    }
    await kernel.hooks.call('host:init', { plan, update, flags });
    await planReserve(kernel, session, plan, reserve, options.notice);
    await session.run(plan);
    await session.run(update);
  });
  return [...plan.steps, ...update.steps];
}

async function planReserve(
  { use, kinds }: Kernel,
  { tree }: Session,
  plan: Plan,
  given: Reserve,
  notice: (message: string) => void,
): Promise<void> {
  const before = await readReserve(use);
  const reserve = changedReserve(before, given);
  const isNew = !Bun.deepEquals(before, reserve);
  if (!isNew && reserveText(reserve) === undefined) return;
  if (isNew) plan.add(host, 'store.writeFile', { path: RESERVE_FILE, content: `${JSON.stringify(reserve)}\n` });
  const options = { verb: 'apply', stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS } as const;
  const context = planContext(plan, options, [], makeObserveContext(tree), askedIn(kinds, tree));
  await planRoot(use, context, host, reserve);
  for (const note of context.notes) notice(`warning: ${note}`);
  const { path, resources } = reserveGroup(reserve);
  for (const { field, asked, current, manual, due } of await (await use('cgroup')).limits({
    path,
    limits: limitsOf(resources),
  })) {
    if (!manual || due || asked === undefined) continue;
    const is = current === undefined ? undefined : formatLimit(field, current);
    notice(`warning: ${byHand(field, is ?? 'none', formatLimit(field, asked))}; ${TAKE_BACK}`);
  }
}

/**
 * Undoes an init that gave the installation this id, and was the first one therefore. What went wrong with it. Another kuke may have made
 * something here meanwhile: then all stays. Plugins that lie there stay, too.
 */
async function leaveAsFound(
  kernel: Kernel,
  journal: Journal,
  id: string,
  options: EngineOptions,
): Promise<KukeError[]> {
  // Also after Ctrl-C.
  const engine = { ...options, signal: new AbortController().signal, settles: false };
  try {
    const store = await kernel.use('store');
    const isOurs = async () => (await store.instance()) === id;
    if (!(await isOurs())) return [];
    await withSession(kernel, journal, engine, async session => {
      if (!(await isOurs()) || session.tree.all().length > 0) return;
      const leaving = makePlan('goOn');
      await kernel.hooks.call('host:uninstall', { plan: leaving });
      leaving.add(host, 'cgroup.remove', { path: CGROUP_ROOT });
      leaving.add(host, 'store.removeFile', { path: RESERVE_FILE });
      await session.run(leaving);
      // By the id, what could not be removed is known as ours; so it goes last, and only then.
      const last = makePlan('goOn');
      last.add(host, 'store.removeFile', { path: 'instance' });
      await session.run(last);
    });
    return [];
  } catch (thrown) {
    const error = asKukeError(thrown, 'UndoFailed', { step: 'leave the host as it was' });
    return [error];
  }
}

/** What preparing the host has changed of a resource that is otherwise as it was, such as a conflist that was written anew. */
function changedBy(all: Step[], { ref, result }: Outcome): Pick<Outcome, 'result' | 'steps'> | undefined {
  const steps = all.filter(({ resource }) => resource === describe(ref)).map(({ type }) => type);
  return steps.length > 0 && result === 'unchanged' ? { result: 'updated', steps } : undefined;
}

/**
 * Removes every resource, then all else that plugins have made. Throws when a resource could not be removed; `removed` is told before that,
 * and before the rest goes, what became of each.
 */
export async function uninstall(
  kernel: Kernel,
  journal: Journal,
  options: EngineOptions,
  removed: (outcomes: Outcome[]) => void = () => {},
): Promise<Outcome[]> {
  const store = await kernel.use('store');
  return withSession(kernel, journal, options, async session => {
    if ((await store.instance()) === undefined && session.tree.all().length === 0) return [];
    const [damaged, ...more] = session.tree.problems.map(
      ({ path, ref, message }) =>
        new KukeError('MetadataCorrupt', `${path} cannot be read, so it cannot be removed: ${message}`, {
          ...(ref === undefined ? {} : { resource: describe(ref) }),
          remedy: 'mend or remove the file, or bring back the plugin of its kind, then try again',
        }),
    );
    if (damaged !== undefined) throw new KukeError('MetadataCorrupt', damaged.message, damaged.details, more);
    const refs = session.tree.all().map(({ ref }) => ref);
    const outcomes = await removeAll(kernel, session, refs, {
      cascade: true,
      stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS,
      killing: options.notice,
    });
    removed(outcomes);
    const errors = outcomes.flatMap(outcome => (outcome.error ? [outcome.error] : []));
    const [first] = errors;
    if (first !== undefined)
      throw new KukeError(first.code, 'not everything could be removed, so kuke stays', {}, errors);
    const plan = makePlan('goOn');
    plan.add(host, 'cgroup.remove', { path: CGROUP_ROOT });
    await kernel.hooks.call('host:uninstall', { plan });
    const before = plan.steps.map(({ id }) => ({ id }));
    plan.add(host, 'store.purge', {}, before);
    await session.run(plan);
    return outcomes;
  });
}
