/**
 * References to results of earlier steps. They are never part of a step's params, which are the user's data and may look like anything:
 * the params have null in their place, and the step says beside them what belongs where.
 */

export type Key = string | number;

/** A reference to an earlier step's result, resolved just before the step runs; it makes the dependency too. */
export interface Ref<T = unknown> {
  readonly step: string;
  readonly path: readonly Key[];
  /** Never there at run time; carries the type. */
  readonly __type?: T;
}

class StepReference<T> implements Ref<T> {
  readonly step: string;
  readonly path: readonly Key[];

  constructor(step: string, path: readonly Key[]) {
    this.step = step;
    this.path = path;
  }
}

export function referTo<T>(step: string, path: readonly Key[]): Ref<T> {
  return new StepReference<T>(step, path);
}

export type WithRefs<T> =
  | T
  | Ref<T>
  | (T extends readonly (infer E)[] ? WithRefs<E>[] : T extends object ? { [K in keyof T]: WithRefs<T[K]> } : never);

/** What is to stand at `at` in a step's params: the value at `path` inside the result of `step`. */
export interface PlacedReference {
  at: Key[];
  step: string;
  path: Key[];
}

/** Params as data and the references that were in them, apart. */
export function separate(params: unknown, at: Key[] = []): { params: unknown; refs: PlacedReference[] } {
  if (params instanceof StepReference)
    return { params: null, refs: [{ at, step: params.step, path: [...params.path] }] };
  if (typeof params !== 'object' || params === null) return { params, refs: [] };
  const entries = Object.entries(params).map(([key, value]) => {
    const place = Array.isArray(params) ? Number(key) : key;
    return { key, ...separate(value, [...at, place]) };
  });
  const refs = entries.flatMap(entry => entry.refs);
  if (refs.length === 0) return { params, refs };
  if (Array.isArray(params)) return { params: entries.map(entry => entry.params), refs };
  return { params: Object.fromEntries(entries.map(entry => [entry.key, entry.params])), refs };
}

/** `params` with what `lookup` finds in the place of each reference. */
export function resolveRefs(
  params: unknown,
  refs: readonly PlacedReference[],
  lookup: (ref: PlacedReference) => unknown,
): unknown {
  return refs.reduce((value, ref) => placed(value, ref.at, lookup(ref)), params);
}

function placed(value: unknown, [key, ...rest]: readonly Key[], found: unknown): unknown {
  if (key === undefined) return found;
  if (typeof value !== 'object' || value === null) return value;
  const inner = placed(Reflect.get(value, key), rest, found);
  return Array.isArray(value) ? value.with(Number(key), inner) : { ...value, [key]: inner };
}

/** The value at a path inside a result: `['addresses', 0]`. */
export function pick(result: unknown, path: readonly Key[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    result,
  );
}
