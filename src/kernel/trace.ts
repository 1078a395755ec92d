/**
 * Where a command's time goes (KUKE_TRACE): what is done is told to whoever listens, from its beginning to its end. Where nobody does, it
 * costs a comparison. Params are never told: they may hold what is nobody's business.
 */

/**
 * `command`: the whole of it and its parts; `operation`: steps of plans; `backend`: what is asked of a backend otherwise; `call`: what that asks
 * another program for; `journal`: its syncs.
 */
export type TraceCategory = 'command' | 'operation' | 'backend' | 'call' | 'journal';

/** Told of what begins; the answer is called when it has ended. `about`: `cell main/default/blog/web`. */
export type TraceListener = (category: TraceCategory, name: string, about?: string) => () => void;

let listeners: readonly TraceListener[] = [];

/** Until what is returned is called. */
export function listenToTrace(next: TraceListener): () => void {
  listeners = [...listeners, next];
  return () => {
    listeners = listeners.filter(one => one !== next);
  };
}

/** Does the work, and returns or throws what it does; a promise's end is when it is settled. */
export function traced<T>(category: TraceCategory, name: string, work: () => T, about?: string): T {
  if (listeners.length === 0) return work();
  const ends = listeners.map(listener => listener(category, name, about));
  const end = () => {
    for (const one of ends) one();
  };
  let result: T;
  try {
    result = work();
  } catch (thrown) {
    end();
    throw thrown;
  }
  if (result instanceof Promise) result.then(end, end);
  else end();
  return result;
}

/** The same object; while somebody listens, one whose methods are traced under `owner.method`. */
export function tracedMethods<T extends object>(category: TraceCategory, owner: string, object: T): T {
  if (listeners.length === 0) return object;
  return new Proxy(object, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) =>
        traced(category, `${owner}.${String(key)}`, () => Reflect.apply(value, target, args) as unknown);
    },
  });
}
