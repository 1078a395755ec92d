/** What is due without anybody asking: cgroups after a reboot, rules that somebody has flushed, the network of a cell whose root has ended. */
import { asKukeError, type KukeError } from './errors.ts';
import type { ObserveContext, Resource } from './kinds.ts';
import { type AskedOf, askedIn } from './limits/wanted.ts';
import { othersTurn } from './others-turn.ts';
import { makePlan, type Plan, stepsText } from './plan.ts';
import { planContext } from './plan-resource.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from './planning.ts';
import type { Kernel } from './registry.ts';
import { describe } from './resource.ts';
import type { Session } from './session.ts';
import type { ResourceTree } from './tree.ts';

/** Whether nothing is due without anybody asking. Changes nothing. */
export async function isSettled(kernel: Kernel, tree: ResourceTree, observe: ObserveContext): Promise<boolean> {
  const asked = askedIn(kernel.kinds, tree);
  for (const resource of tree.all()) {
    const due = await planDue(kernel, resource, observe, asked).catch(() => undefined);
    if (due === undefined || due.isDue) return false;
  }
  return true;
}

export interface Unsettled {
  resource: Resource;
  /** What is to be done: `network.define, cgroup.create`; of one that lacks its status alone, nothing. */
  steps: string;
}

/** Those of which something is due, and can be done. Changes nothing. */
export async function unsettled(
  kernel: Kernel,
  resources: readonly Resource[],
  observe: ObserveContext,
): Promise<Unsettled[]> {
  const asked = askedIn(kernel.kinds, observe.tree);
  const found: Unsettled[] = [];
  for (const resource of resources) {
    const due = await planDue(kernel, resource, observe, asked).catch(() => undefined);
    if (due?.isDue) found.push({ resource, steps: stepsText(due.plan) });
  }
  return found;
}

async function planDue(
  kernel: Kernel,
  resource: Resource,
  observe: ObserveContext,
  asked: AskedOf,
): Promise<{ plan: Plan; notes: string[]; isDue: boolean }> {
  await othersTurn();
  const options = { verb: 'settle', stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS } as const;
  const context = planContext(makePlan('finish'), options, [], observe, asked);
  await kernel.kinds.lifecycle(resource.ref.kind).planSettle?.(context, resource);
  const { plan, notes, keeps } = context;
  // One that was made by hand, or by a kuke that died just then, has no status yet, which others may need.
  const lacksStatus = resource.manifest.status === undefined;
  return { plan, notes, isDue: plan.steps.length > 0 || keeps.status || lacksStatus };
}

/** `cell main/default/blog/web`, and what there is to say of it. */
export interface Told {
  resource: string;
  message: string;
  /** It could not be settled. */
  error?: KukeError;
}

/** What is due without anybody asking; a failure here is told and holds nobody up. */
export async function settle(
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
