/** The changes that run for clients: each goes on to its end, unless the daemon itself ends. */
import { KukeError } from '../../kernel/errors.ts';
import type { RunningChanges } from '../daemon.ts';
import type { Limits } from './limits.ts';
import { makeQuota } from './quota.ts';

export interface EndingChanges extends RunningChanges {
  /** From now on none begins. Resolves when none runs any more; after `graceMs` those that do are called off, which undoes or finishes them. */
  ended(graceMs: number): Promise<void>;
}

export function makeRunningChanges(limits: Limits): EndingChanges {
  const quota = makeQuota(limits.changes);
  const stop = new AbortController();
  const running = new Set<Promise<unknown>>();
  const ending = new AbortController();
  return {
    get count() {
      return running.size;
    },
    ending: ending.signal,
    async run(uid, change) {
      if (ending.signal.aborted) throw new KukeError('Busy', 'the daemon is about to end');
      const giveBack = quota.take(uid);
      if (giveBack === undefined) throw new KukeError('Busy', 'too many changes at once');
      const work = change(stop.signal);
      running.add(work);
      try {
        return await work;
      } finally {
        running.delete(work);
        giveBack();
      }
    },
    async ended(graceMs) {
      ending.abort(new KukeError('Cancelled', 'the daemon ends'));
      const all = Promise.allSettled([...running]);
      const timer = setTimeout(() => stop.abort(new KukeError('Cancelled', 'the daemon ends')), graceMs);
      await all;
      clearTimeout(timer);
      stop.abort(new KukeError('Cancelled', 'the daemon ends'));
    },
  };
}
