/** Many resources in a row: level by level, and those of one kind several at once where the kind allows it. */
import { circleIn, inWaves } from './depends-on.ts';
import { KukeError } from './errors.ts';
import type { ObserveContext, Resource } from './kinds.ts';
import { inParallel } from './parallel.ts';
import type { Kernel } from './registry.ts';
import { describe, keyOf, nameOf } from './resource.ts';
import type { ResourceTree } from './tree.ts';

/** Throws InvalidManifest that names the circle, where some of these come before one another. */
function refuseCircles(kernel: Kernel, tree: ResourceTree, resources: readonly Resource[]): void {
  for (const [kind, same] of Map.groupBy(resources, ({ ref }) => ref.kind)) {
    const { precedence } = kernel.kinds.get(kind);
    if (precedence === undefined) continue;
    const all = tree.with(resources).all(kind);
    const byKey = new Map(all.map(one => [keyOf(one.ref), one.ref]));
    const circle = circleIn(new Map(all.map(one => [keyOf(one.ref), precedence(one).map(keyOf)])));
    const [first] = same.filter(({ ref }) => circle?.includes(keyOf(ref)));
    if (circle === undefined || first === undefined) continue;
    const names = circle.map(key => nameOf(byKey.get(key) ?? first.ref));
    throw new KukeError('InvalidManifest', `they wait for one another: ${names.join(' → ')}`, {
      resource: describe(first.ref),
      field: 'spec.dependsOn',
    });
  }
}

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
  if (direction === 'parents first') refuseCircles(kernel, observing().tree, resources);
  const sign = direction === 'parents first' ? 1 : -1;
  const levels = [...Map.groupBy(resources, ({ ref }) => ref.path.length)].sort(([a], [b]) => sign * (a - b));
  for (const [, level] of levels) {
    for (const [kind, same] of Map.groupBy(level, ({ ref }) => ref.kind)) {
      const atOnce = kernel.kinds.lifecycle(kind).concurrent ? AT_ONCE : 1;
      const { precedence } = kernel.kinds.get(kind);
      const before = (one: Resource) => (precedence?.(one) ?? []).map(keyOf);
      const waves = precedence === undefined ? [same] : inWaves(same, ({ ref }) => keyOf(ref), before);
      for (const wave of direction === 'parents first' ? waves : waves.reverse()) {
        // What runs at once does not change what another one of them observes; in a row, each sees what came before.
        const shared = atOnce > 1 ? observing() : undefined;
        done.push(...(await inParallel(wave, atOnce, one => run(one, shared ?? observing(), done))));
      }
    }
  }
  return done;
}
