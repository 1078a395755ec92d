/** Backends as they would be after the steps that were planned: looks at the real one, and what its actions would have made in memory. */
import { ownActions } from '../backends/actions.ts';
import type { KukeBackends } from '../backends/index.ts';
import { KukeError } from '../errors.ts';
import { type DryRun, FORESEEN } from './dry-run.ts';
import { foreseenCgroup } from './foreseen-cgroup.ts';
import { foreseenImages } from './foreseen-images.ts';
import { foreseenNetwork } from './foreseen-network.ts';
import { foreseenRuntime } from './foreseen-runtime.ts';
import { foreseenStore } from './foreseen-store.ts';

const makers = {
  cgroup: foreseenCgroup,
  images: foreseenImages,
  network: foreseenNetwork,
  runtime: foreseenRuntime,
  store: foreseenStore,
} satisfies { [N in (typeof FORESEEN)[number]]: (real: KukeBackends[N], dryRun: DryRun) => Partial<KukeBackends[N]> };

/** Of a third party's backend nothing is foreseen: its actions are not called in a dry run. */
export function foreseen(name: string, real: unknown, dryRun: DryRun): unknown {
  const known = FORESEEN.find(one => one === name);
  if (known === undefined || typeof real !== 'object' || real === null) return real;
  // By its name it is the one that the maker is for.
  const make = makers[known] as (real: object, dryRun: DryRun) => object;
  const own = make(real, dryRun);
  return new Proxy(real, {
    get(target, key) {
      if (Object.hasOwn(own, key)) return Reflect.get(own, key);
      // What changes the host is out of reach, also what somebody adds and foresees nothing of.
      if (Object.hasOwn(ownActions[known], key)) return () => Promise.reject(unforeseen(known, String(key)));
      const found: unknown = Reflect.get(target, key);
      return typeof found === 'function' ? found.bind(target) : found;
    },
  });
}

const unforeseen = (backend: string, action: string): KukeError =>
  new KukeError('Internal', `a dry run knows nothing of ${backend}.${action}`);

/** What a runtime says that may not be there before the plan; `none` where it is not. */
export async function orNone<T>(dryRun: DryRun, ask: Promise<T>, none: T): Promise<T> {
  try {
    return await ask;
  } catch (thrown) {
    if (dryRun.isUnforeseen && thrown instanceof KukeError && thrown.code === 'RuntimeUnavailable') return none;
    throw thrown;
  }
}
