/** Readings of all of kuke's groups, and the tree of resources to which they belong. */
import type { CgroupBackend } from '../../kernel/backends/index.ts';
import { CGROUP_ROOT } from '../../kernel/cgroups.ts';
import { readTree } from '../../kernel/observe.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { type Place, placesOf } from './places.ts';
import { type Row, rowsOf, type Sort } from './rows.ts';
import { type Reading, readingOf, useOf } from './use.ts';

export interface Sample {
  /** RFC 3339. */
  sampledAt: string;
  /** Since the reading before; 0: there was none. */
  seconds: number;
  rows(sort: Sort): Row[];
}

export interface Sampler {
  sample(): Promise<Sample>;
}

/** `level` and `scope` as in `placesOf`, which throws. */
export async function makeSampler(
  kernel: Kernel,
  level: string,
  scope: Readonly<Record<string, unknown>>,
): Promise<Sampler> {
  const backend: CgroupBackend = await kernel.use('cgroup');
  let before: Reading | undefined;
  let places: Place[] | undefined;
  return {
    async sample() {
      const now = readingOf(await backend.usage(CGROUP_ROOT));
      // The tree is read again when groups have come or gone: a resource has its group as long as it lives.
      const areSame = before !== undefined && sameKeys(before.groups, now.groups);
      if (places === undefined || !areSame) places = placesOf(kernel, await readTree(kernel), level, scope);
      const [earlier, shown] = [before, places];
      before = now;
      const useAt = (cgroup?: string) => useOf(cgroup, now, earlier);
      const whole: Row = { name: 'kukeon', depth: 0, cgroup: CGROUP_ROOT, use: useAt(CGROUP_ROOT) };
      return {
        sampledAt: new Date().toISOString(),
        seconds: earlier === undefined ? 0 : (now.at - earlier.at) / 1000,
        rows: sort => [whole, ...rowsOf(shown, sort, useAt)],
      };
    },
  };
}

function sameKeys(one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>): boolean {
  return one.size === other.size && [...one.keys()].every(key => other.has(key));
}
