/** What `kuke doctor` says of limits that somebody has set by hand. */
import { observeCgroups } from '../cgroups.ts';
import type { Finding } from '../extensible.ts';
import { makeObserveContext } from '../observe.ts';
import type { Kernel } from '../registry.ts';
import type { ResourceTree } from '../tree.ts';
import { groupName } from './above-and-below.ts';
import { shown } from './by-hand.ts';
import { formatLimit, limitsOf } from './limits.ts';
import { withReserved } from './reserved.ts';
import { askedIn, groupsOf } from './wanted.ts';

const remedy = '`kuke set resources` replaces it with another value than before, and lifts it with `none`';

/** No faults: they are somebody's will. A warning, where the manifest asks for something else. */
export async function handFindings({ kinds, use }: Kernel, tree: ResourceTree): Promise<Finding[]> {
  const asked = askedIn(kinds, tree);
  const context = { ...makeObserveContext(tree), asked };
  const there = new Map((await observeCgroups(use, context)).map(group => [group.path, group]));
  const findings: Finding[] = [];
  for (const { path, name, resources } of groupsOf(kinds, tree, tree.all())) {
    const group = there.get(path);
    // What is there of a container that has ended holds nobody.
    if (group === undefined || (name !== undefined && !group.populated)) continue;
    const limits = withReserved(limitsOf(resources), asked.reserved().get(path));
    for (const { field, file, asked: wanted, current, manual } of await (await use('cgroup')).limits({
      path,
      limits,
    })) {
      if (!manual) continue;
      const is = `${field} of ${await groupName(context, path)} was set by hand (${file}): it is ${shown(field, current)}`;
      const finding = { code: 'LimitByHand', what: is };
      const what = `${is}, and not ${wanted === undefined ? '' : formatLimit(field, wanted)}`;
      findings.push(
        wanted === undefined ? { ...finding, level: 'ok' } : { ...finding, level: 'warning', what, remedy },
      );
    }
  }
  return findings;
}
