/** A start that came to nothing for a limit: the same failure, with the field and the level whose limit it was. */
import type { UseBackend } from '../backend-operations.ts';
import { KukeError } from '../errors.ts';
import type { Watch } from '../plan.ts';
import type { PlanContext } from '../planning.ts';
import { describe } from '../resource.ts';
import { groupName } from './above-and-below.ts';
import { fieldPath } from './asked.ts';
import { formatLimit, type Limits, limitsOf } from './limits.ts';

/** Of what is started in the group `path`. A command that is not there, say, has nothing to do with limits. */
export function watchLimits(use: UseBackend, context: PlanContext, path: string, limits: Limits): Watch {
  return async () => {
    const backend = await use('cgroup');
    const before = await backend.hits(path);
    return async failure => {
      const isRuntimes = failure.code === 'RuntimeFailed';
      const hit = isRuntimes ? await backend.limitHit({ path, limits }, before, failure.message) : undefined;
      if (hit === undefined) return failure;
      const { field } = hit;
      const group = context.asked(hit.path);
      const value = limitsOf(group?.resources)[field];
      const at = group === undefined || value === undefined ? field : fieldPath(group, field);
      const own = hit.path === path ? '' : ` of ${await groupName(context, hit.path)}`;
      const whose = group?.by === undefined ? own : ` of ${describe(group.by)}`;
      const size = value === undefined ? '' : ` (${formatLimit(field, value)})`;
      const { remedy: _, ...details } = failure.details;
      return new KukeError('LimitTooLow', `${at}${whose}${size} is too low to start it: ${failure.message}`, {
        ...details,
        field: at,
      });
    };
  };
}
