/** Readings of all of kuke's groups, and the tree of resources to which they belong. */
import type { CgroupBackend, StoreProblem } from '../../kernel/backends/index.ts';
import { CGROUP_ROOT } from '../../kernel/cgroups.ts';
import { readTree } from '../../kernel/observe.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { type Reading, readingOf, useOf } from '../../kernel/usage.ts';
import { placesOf } from './places.ts';
import { type Row, rowsWithWhole, type Sort } from './rows.ts';

export interface Sample {
  /** RFC 3339. */
  sampledAt: string;
  /** Since the reading before; 0: there was none. */
  seconds: number;
  /** Manifests that cannot be read: what they are about is not among the rows. */
  problems: StoreProblem[];
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
  return {
    async sample() {
      const now = readingOf(await backend.usage(CGROUP_ROOT));
      const tree = await readTree(kernel);
      const places = placesOf(kernel, tree, level, scope);
      const earlier = before;
      before = now;
      const useAt = (cgroup?: string) => useOf(cgroup, now, earlier);
      return {
        sampledAt: new Date().toISOString(),
        seconds: earlier === undefined ? 0 : (now.at - earlier.at) / 1000,
        problems: tree.problems,
        rows: sort => rowsWithWhole(places, sort, useAt),
      };
    },
  };
}
