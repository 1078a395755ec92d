/** What the host makes of all limits that a command brings, before it changes anything: one that is refused, and nothing is done (spec.md §7). */
import { KukeError } from '../errors.ts';
import type { Resource } from '../kinds.ts';
import { makeObserveContext } from '../observe.ts';
import { makePlan } from '../plan.ts';
import { planContext } from '../plan-resource.ts';
import type { PlanOptions } from '../planning.ts';
import type { Kernel } from '../registry.ts';
import { describe, keyOf } from '../resource.ts';
import type { ResourceTree } from '../tree.ts';
import { checkLimits, LENIENT } from './plan.ts';
import { askedIn, groupsOf } from './wanted.ts';

/**
 * By key of the resource, with all reasons: what makes no sense on this host and, with `--strict`, what it cannot enforce. `wanted`: all as it
 * is to be when the command is done, so that what it changes above counts.
 */
export async function refusedLimits(
  kernel: Kernel,
  wanted: ResourceTree,
  resources: readonly Resource[],
  options: PlanOptions,
): Promise<ReadonlyMap<string, KukeError>> {
  const refused = new Map<string, KukeError>();
  const told = new Set<string>();
  if (LENIENT.has(options.verb)) return refused;
  const asked = askedIn(kernel.kinds, wanted);
  const context = planContext(makePlan('undo'), options, [], makeObserveContext(wanted), asked);
  // Who gives something to others says what is wrong with it; they do not say it again.
  const groups = groupsOf(kernel.kinds, wanted, resources);
  for (const group of [
    ...groups.filter(({ by }) => by === undefined),
    ...groups.filter(({ by }) => by !== undefined),
  ]) {
    const { ref } = group;
    if (group.resources === undefined) continue;
    try {
      await checkLimits(kernel.use, context, group);
    } catch (thrown) {
      if (!(thrown instanceof KukeError)) throw thrown;
      const all = [thrown, ...thrown.also].map(({ code, message, details }) =>
        new KukeError(code, message, details).at({ resource: describe(ref) }),
      );
      const keyed = all.map(one => ({ one, key: `${one.details.resource} ${one.details.field} ${reasonIn(one)}` }));
      const [first, ...others] = keyed.flatMap(({ one, key }) => (told.has(key) ? [] : [one]));
      for (const { key } of keyed) told.add(key);
      const before = refused.get(keyOf(ref));
      if (first !== undefined) refused.set(keyOf(ref), before?.with([first, ...others]) ?? first.with(others));
    }
  }
  return refused;
}

/** Without the fields, which are named otherwise where another resource has them. */
const reasonIn = ({ message }: KukeError): string => message.slice(message.indexOf(': ') + 1);
