/** Work that goes on beside the reading: at most so many pieces at once, and the first failure stops the reading. */

export interface InFlight {
  add(work: Promise<unknown>): void;
  /** Resolves when there is room for one more; rejects with the first failure so far. */
  room(): Promise<void>;
  /** Resolves when all is done; rejects with the first failure. */
  done(): Promise<void>;
  /** Resolves when nothing runs any more, whatever came of it. */
  settled(): Promise<void>;
}

export function inFlight(limit: number): InFlight {
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  const atMost = async (count: number) => {
    while (failure === undefined && running.size > count) await Promise.race(running);
    if (failure !== undefined) throw failure.error;
  };
  return {
    add(work) {
      const tracked = work
        .then(
          () => {},
          (error: unknown) => {
            failure ??= { error };
          },
        )
        .finally(() => running.delete(tracked));
      running.add(tracked);
    },
    room: () => atMost(limit - 1),
    done: () => atMost(0),
    async settled() {
      await Promise.all(running);
    },
  };
}

/** Runs work at once as long as fewer than `count` are running, else when one of them has ended. */
export function makeSlots(count: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = count;
  const waiting: (() => void)[] = [];
  return async work => {
    if (free === 0) await new Promise<void>(resolve => waiting.push(resolve));
    else free -= 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
