/** Many resources in a row: level by level, and those of one kind several at once where the kind allows it. */
import type { ObserveContext, Resource } from './kinds.ts';
import { inParallel } from './parallel.ts';
import type { Kernel } from './registry.ts';

/** How many cells are brought up or taken down at once: containerd and runc gain little from more. */
const AT_ONCE = 4;

/** `done`: what became of those on the levels before. Rejects with the first failure; results in the order of the levels. */
export async function levelByLevel<T>(
  kernel: Kernel,
  observing: () => ObserveContext,
  resources: readonly Resource[],
  direction: 'parents first' | 'children first',
  run: (resource: Resource, observe: ObserveContext, done: readonly T[]) => Promise<T>,
): Promise<T[]> {
  const done: T[] = [];
  const sign = direction === 'parents first' ? 1 : -1;
  const levels = [...Map.groupBy(resources, ({ ref }) => ref.path.length)].sort(([a], [b]) => sign * (a - b));
  for (const [, level] of levels) {
    for (const [kind, same] of Map.groupBy(level, ({ ref }) => ref.kind)) {
      const atOnce = kernel.kinds.lifecycle(kind).concurrent ? AT_ONCE : 1;
      // What runs at once does not change what another one of them observes; in a row, each sees what came before.
      const shared = atOnce > 1 ? observing() : undefined;
      done.push(...(await inParallel(same, atOnce, one => run(one, shared ?? observing(), done))));
    }
  }
  return done;
}
