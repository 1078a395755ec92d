/** What nobody's end tells of: rules that somebody has flushed, a group or a link that is gone. Looked at without the lock, put right under it. */
import { asKukeError } from '../../kernel/errors.ts';
import type { ObserveContext, Resource } from '../../kernel/kinds.ts';
import { askedIn } from '../../kernel/limits/wanted.ts';
import { makeObserveContext } from '../../kernel/observe.ts';
import { makePlan, type Plan, stepsText } from '../../kernel/plan.ts';
import { planContext } from '../../kernel/plan-resource.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from '../../kernel/planning.ts';
import { describe, keyOf } from '../../kernel/resource.ts';
import { type Session, withSession } from '../../kernel/session.ts';
import { unsettled } from '../../kernel/settle.ts';
import type { Acting } from './act.ts';
import { supervisionOf } from './entry.ts';

/** What could not be put right is not tried again before. */
const PATIENCE_MS = 300_000;

const mendedBy = (steps: string): string => (steps === '' ? 'its status was missing' : `put right: ${steps}`);

export interface Mending {
  /** `isBusy`: something is about to be done with it anyway. Throws what taking the lock throws. */
  look(observe: ObserveContext, isBusy: (resource: Resource) => boolean): Promise<void>;
}

export function makeMending(acting: Acting): Mending {
  const { kernel, journal, engine, tell } = acting;
  const givenUp = new Map<string, number>();
  const giveUp = ({ ref }: Resource) => void givenUp.set(describe(ref), performance.now() + PATIENCE_MS);
  const isGivenUp = ({ ref }: Resource) => performance.now() < (givenUp.get(describe(ref)) ?? 0);

  async function planOf(observe: ObserveContext, resource: Resource): Promise<Plan> {
    const options = { verb: 'settle', stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS } as const;
    const context = planContext(makePlan('finish'), options, [], observe, askedIn(kernel.kinds, observe.tree));
    await supervisionOf(kernel, resource.ref)?.planMend?.(context, resource);
    return context.plan;
  }

  async function mend(session: Session, resource: Resource): Promise<void> {
    try {
      const plan = await planOf(session.observing(), resource);
      if (plan.steps.length === 0) return;
      await session.run(plan, { isDue: true });
      await session.saveStatus(resource);
      tell({ ref: resource.ref, what: 'settled', members: [], message: mendedBy(stepsText(plan)) });
    } catch (thrown) {
      giveUp(resource);
      engine.notice(asKukeError(thrown, 'Failed', { resource: describe(resource.ref) }).summary);
    }
  }

  return {
    async look(observe, isBusy) {
      for (const [key, until] of givenUp) if (performance.now() >= until) givenUp.delete(key);
      const all = observe.tree.all().filter(one => !isGivenUp(one) && !isBusy(one));
      const isKept = ({ ref }: Resource) => supervisionOf(kernel, ref) !== undefined;
      const due = await unsettled(
        kernel,
        all.filter(one => !isKept(one)),
        observe,
      );
      const lost: Resource[] = [];
      for (const one of all.filter(isKept)) {
        const plan = await planOf(observe, one).catch(() => undefined);
        if (plan !== undefined && plan.steps.length > 0) lost.push(one);
      }
      const [first, ...others] = [...due.map(({ resource }) => resource), ...lost];
      if (first === undefined) return;
      const command = `kukeond: mend ${describe(first.ref)}${others.length > 0 ? ' and others' : ''}`;
      await withSession(kernel, journal, { ...engine, command }, async session => {
        // Spaces and the like by the session itself, as with every command.
        const there = due.flatMap(({ resource }) => session.tree.find(resource.ref) ?? []);
        const left = await unsettled(kernel, there, makeObserveContext(session.tree));
        for (const { resource } of left) giveUp(resource);
        for (const { ref } of there) {
          if (left.some(({ resource }) => resource.ref === ref)) continue;
          const { steps = '' } = due.find(({ resource }) => keyOf(resource.ref) === keyOf(ref)) ?? {};
          tell({ ref, what: 'settled', members: [], message: mendedBy(steps) });
        }
        for (const { ref } of lost) {
          const resource = session.tree.find(ref);
          if (resource !== undefined) await mend(session, resource);
        }
      });
    },
  };
}
