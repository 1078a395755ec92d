/** The limits of a cgroup as a status shows them: what holds, where it comes from, and what the host does not enforce. */
import type { UseBackend } from '../backend-operations.ts';
import type { LimitObservation } from '../backends/index.ts';
import type { ObserveContext } from '../kinds.ts';
import { othersTurn } from '../others-turn.ts';
import { judgedByAbove, judgedByOwn } from './above-and-below.ts';
import { type AskedOfGroup, originOf } from './asked.ts';
import { formatLimit, type LimitValue, limitsOf } from './limits.ts';
import { FROM_BELOW, RESERVATION } from './reserved.ts';

export interface LimitStatus {
  /** `memory.limit`, as below `spec.resources`. */
  field: string;
  /** As a person writes it: `512Mi`; `none` where somebody has taken a limit away. */
  value: string;
  /** `spec`; whose default it is, `space main/default`; `manual`: an administrator wrote it; `what is reserved in it`, of memory. */
  from: string;
  /** What the manifest asks for, where somebody has written something else. */
  asked?: string;
  /** Why the value is not in force. */
  notEnforced?: string;
}

/** Part of a status; empty where there is no limit. `isIdle`: nothing runs there, and its limits come with what is started. */
export async function limitStatus(
  use: UseBackend,
  context: ObserveContext,
  group: AskedOfGroup,
  { isIdle = false } = {},
): Promise<{ resources?: LimitStatus[] }> {
  await othersTurn();
  const { path } = group;
  const isEnded = isIdle && group.name !== undefined;
  const own = judgedByOwn(await (await use('cgroup')).limits({ path, limits: limitsOf(group.resources) }));
  const judged = await judgedByAbove(use, context, path, own);
  // What those above give it comes with what is started, too.
  const there = judged.map((one, i) => (isIdle && one.field === RESERVATION ? (own[i] ?? one) : one));
  // What an ended container has left in its group holds nobody: its next start has what is asked for.
  const seen = isEnded
    ? there.filter(({ asked }) => asked !== undefined).map(one => ({ ...one, manual: false }))
    : there;
  return seen.length === 0 ? {} : { resources: seen.map(one => statusOf(one, group, isIdle)) };
}

export function statusOf(seen: LimitObservation, group: AskedOfGroup, isIdle = false): LimitStatus {
  const { field, asked, current, manual, due } = seen;
  const text = (value: LimitValue | undefined) => (value === undefined ? 'none' : formatLimit(field, value));
  if (manual)
    return { field, value: text(current), from: 'manual', ...(asked !== undefined && { asked: text(asked) }) };
  if (asked === undefined)
    return { field, value: text(current), from: field === RESERVATION ? FROM_BELOW : 'an earlier manifest' };
  const why = seen.notEnforced ?? seen.fault ?? (due && !isIdle ? 'not written yet; apply it again' : undefined);
  return { field, value: text(asked), from: originOf(group), ...(why !== undefined && { notEnforced: why }) };
}
