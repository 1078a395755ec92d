/** What comes before what: `dependsOn` of containers and of cells, in one shape, and circles in it. */
import * as v from 'valibot';

export type Condition = 'started' | 'healthy' | 'completed';

export interface Dependency {
  id: string;
  condition: Condition;
}

export const CONDITIONS = ['started', 'healthy', 'completed'] as const satisfies Condition[];

/** `what`: container, cell. */
export const dependsOn = (what: string, description: string) =>
  v.exactOptional(
    v.pipe(
      v.array(
        v.union([
          v.string(),
          v.strictObject({
            id: v.pipe(v.string(), v.description(`name of the other ${what}`)),
            condition: v.exactOptional(
              v.pipe(
                v.picklist(CONDITIONS),
                v.description(
                  'what is waited for: that it was started, that its health check is well, or that it has ended with 0 (`started`)',
                ),
              ),
            ),
          }),
        ]),
      ),
      v.metadata({ kuke: { change: 'in-place' } }),
      v.description(description),
    ),
  );

type Said = readonly (string | { id: string; condition?: Condition })[];

export function dependencies(said: Said = []): Dependency[] {
  return said.map(one =>
    typeof one === 'string' ? { id: one, condition: 'started' } : { id: one.id, condition: one.condition ?? 'started' },
  );
}

/** A circle among those that come before one another, from one of them back to it: `['a', 'b', 'a']`. Undefined: there is none. */
export function circleIn(before: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  for (const start of before.keys()) {
    /** From `start` on, each with those before it that are still to be looked at: a row of any length, so not by recursion. */
    const way: { name: string; left: string[] }[] = [];
    const onWay = new Set<string>();
    const enter = (name: string): void => {
      if (done.has(name)) return;
      way.push({ name, left: [...(before.get(name) ?? [])].reverse() });
      onWay.add(name);
    };
    enter(start);
    for (let at = way.at(-1); at !== undefined; at = way.at(-1)) {
      const next = at.left.pop();
      if (next === undefined) {
        way.pop();
        onWay.delete(at.name);
        done.add(at.name);
      } else if (onWay.has(next)) {
        const names = way.map(({ name }) => name);
        return [...names.slice(names.indexOf(next)), next];
      } else enter(next);
    }
  }
  return undefined;
}

/** Those without anything before them first, then those that come after these alone, and so on. What is in a circle comes last, at once. */
export function inWaves<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  before: (item: T) => readonly string[],
): T[][] {
  const waves: T[][] = [];
  let left = [...items];
  while (left.length > 0) {
    const waiting = new Set(left.map(keyOf));
    const free = left.filter(item => !before(item).some(key => key !== keyOf(item) && waiting.has(key)));
    const wave = new Set(free.length > 0 ? free : left);
    waves.push([...wave]);
    left = left.filter(item => !wave.has(item));
  }
  return waves;
}
