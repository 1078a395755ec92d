/** Looks at members by their health checks, each life of one from its start on, and tells what has changed. */
import type { Health, HealthCheck, Member } from '../../kernel/supervision.ts';

/** `message`: what the last look has seen. */
export type Told = (id: string, pid: number, health: Health, message: string) => void;

export interface HealthWatch {
  /** These are there now: those that run and have a check are looked at, the others no more. */
  keep(members: readonly Member[]): void;
  /** For good: a look that was under way meanwhile begins nothing any more. */
  end(): void;
}

interface Watched {
  pid: number;
  key: string;
  over: AbortController;
}

export function makeHealthWatch(tell: Told): HealthWatch {
  const watched = new Map<string, Watched>();
  /** Those that were ever looked at: of what was before that, an earlier supervisor knew. */
  const known = new Set<string>();
  let isOver = false;
  const drop = (id: string) => {
    watched.get(id)?.over.abort();
    watched.delete(id);
  };
  return {
    keep(members) {
      if (isOver) return;
      const checked = members.filter(one => one.state === 'running' && one.check !== undefined);
      for (const id of watched.keys()) if (!checked.some(one => one.id === id)) drop(id);
      for (const { id, pid = 0, check, wasHealthy } of checked) {
        const there = watched.get(id);
        if (check === undefined || (there?.pid === pid && there.key === check.key)) continue;
        drop(id);
        const over = new AbortController();
        watched.set(id, { pid, key: check.key, over });
        const first = wasHealthy && !known.has(id) ? 'healthy' : 'starting';
        known.add(id);
        void follow(check, first, over.signal, (health, message) => tell(id, pid, health, message)).catch(() => {});
      }
    },
    end() {
      isOver = true;
      for (const id of [...watched.keys()]) drop(id);
    },
  };
}

async function follow(
  { intervalMs, startPeriodMs, retries, probe }: HealthCheck,
  first: Health,
  signal: AbortSignal,
  tell: (health: Health, message: string) => void,
): Promise<void> {
  const start = performance.now();
  let health = first;
  let failures = 0;
  tell(health, health === 'starting' ? 'it was started' : 'as it was before');
  while (!signal.aborted) {
    const { ok, message } = await probe(signal);
    if (signal.aborted) return;
    const counts = health === 'healthy' || performance.now() - start >= startPeriodMs;
    failures = ok ? 0 : failures + (counts ? 1 : 0);
    const now: Health = ok ? 'healthy' : failures >= retries ? 'unhealthy' : health;
    if (now !== health) tell(now, message);
    health = now;
    await paused(intervalMs, signal);
  }
}

async function paused(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const abort = () => resolve();
  signal.addEventListener('abort', abort, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', abort);
}
