/** What a command has applied, taken back: what was there is as it was, what is new goes. */
import { apply, type Outcome } from '../apply.ts';
import type { Journal } from '../journal.ts';
import { toResource } from '../manifest.ts';
import { readTree } from '../observe.ts';
import { DEFAULT_STOP_TIMEOUT_MS } from '../planning.ts';
import type { Kernel } from '../registry.ts';
import { remove } from '../remove.ts';
import type { EngineOptions } from '../session.ts';

export async function takeBack(
  kernel: Kernel,
  journal: Journal,
  outcomes: readonly Outcome[],
  options: EngineOptions,
): Promise<Outcome[]> {
  const touched = outcomes.filter(({ result, changes }) => result === 'failed' || changes.length > 0);
  const before = touched.flatMap(({ previous }) =>
    previous === undefined ? [] : [toResource(kernel.kinds, previous)],
  );
  const planOptions = { verb: 'apply', stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS, takesBack: true } as const;
  const back = before.length === 0 ? [] : await apply(kernel, journal, before, options, planOptions);
  const made = outcomes.filter(({ result, previous }) => result === 'created' || (result === 'failed' && !previous));
  const tree = await readTree(kernel);
  const there = made.map(({ ref }) => ref).filter(ref => tree.find(ref) !== undefined);
  // A cell goes with its containers; what somebody has made in a new space meanwhile keeps that.
  const whole = there.filter(({ kind }) => tree.partOf(kind) !== undefined);
  const others = there.filter(ref => !whole.includes(ref));
  const removed: Outcome[] = [];
  for (const [refs, cascade] of [[whole, true] as const, [others, false] as const])
    if (refs.length > 0)
      removed.push(
        ...(await remove(kernel, journal, refs, { cascade, stopTimeoutMs: DEFAULT_STOP_TIMEOUT_MS }, options)),
      );
  return [...back, ...removed];
}
