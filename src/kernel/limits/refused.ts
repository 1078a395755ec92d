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
  if (LENIENT.has(options.verb)) return refused;
  const asked = askedIn(kernel.kinds, wanted);
  const context = planContext(makePlan('create'), options, [], makeObserveContext(wanted), asked);
  for (const group of groupsOf(kernel.kinds, wanted, resources)) {
    const { ref } = group;
    if (group.resources === undefined) continue;
    try {
      await checkLimits(kernel.use, context, group);
    } catch (thrown) {
      if (!(thrown instanceof KukeError)) throw thrown;
      const [first, ...others] = [thrown, ...thrown.also].map(({ code, message, details }) =>
        new KukeError(code, message, details).at({ resource: describe(ref) }),
      );
      const before = refused.get(keyOf(ref));
      if (first !== undefined) refused.set(keyOf(ref), before?.with([first, ...others]) ?? first.with(others));
    }
  }
  return refused;
}
