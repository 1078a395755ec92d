/** Limits in a plan: what makes no sense here, what the host cannot enforce, what those above do not allow, and whether anything is due. */
import type { UseBackend } from '../backend-operations.ts';
import type { CgroupBackend, LimitObservation } from '../backends/index.ts';
import { KukeError } from '../errors.ts';
import type { PlanContext, Verb } from '../planning.ts';
import { describe, type ResourceRef } from '../resource.ts';
import { notesOnAbove, notesOnBelow } from './above-and-below.ts';
import { type AskedOfGroup, fieldPath } from './asked.ts';
import { isWithin } from './ceilings.ts';
import { eachLimit, type Limits, limitsFrom, limitsOf } from './limits.ts';

export interface LimitsToGive {
  limits: Limits;
  /** They differ from what the group has. */
  due: boolean;
}

export interface LimitsOptions {
  /** Of the group right above, where the same plan gives it these: they are not on the host yet. */
  parent?: LimitsToGive & { ref: ResourceRef };
}

/**
 * Throws InvalidManifest, with the path of the field, for what makes no sense on this host, and with `--strict` HostNotReady for what it
 * cannot enforce. What is due without anybody asking is given as far as it makes sense, and nothing is said: a disk that is gone keeps no
 * memory from being limited. So it is where something is to be stopped.
 */
export async function checkLimits(
  use: UseBackend,
  context: PlanContext,
  group: AskedOfGroup,
  { parent }: LimitsOptions = {},
): Promise<LimitsToGive> {
  const backend = await use('cgroup');
  const limits = limitsOf(group.resources);
  const { path } = group;
  // Most have none, and then one look is enough.
  if (isNone(limits) && isNone((await backend.asked(path)) ?? {})) return { limits, due: false };
  const now = await backend.limits({ path, limits });
  const seen = await Promise.all(now.map(one => amongPlanned(backend, path, one, parent)));
  const faulty = seen.filter(({ fault }) => fault !== undefined);
  const due = seen.some(one => one.due && one.fault === undefined);
  if (LENIENT.has(context.options.verb)) {
    const isFaulty = new Set(faulty.map(({ field }) => field));
    return { limits: limitsFrom(eachLimit(limits).filter(([field]) => !isFaulty.has(field))), due };
  }
  refuseFaults(group, faulty);
  tellNotEnforced(context, group, seen);
  for (const note of await notesOnAbove(use, context, group, limits, parent)) context.note(note);
  if (due) for (const note of await notesOnBelow(use, context, path, seen)) context.note(note);
  return { limits, due };
}

/** Nobody is kept from stopping what has a limit that makes no sense any more. */
const LENIENT: ReadonlySet<Verb> = new Set<Verb>(['settle', 'stop', 'kill']);

const isNone = (limits: Limits): boolean => eachLimit(limits).length === 0;

/** A group that is about to get other CPUs says nothing yet of what those in it may ask for; those above it do, and the machine. */
async function amongPlanned(
  backend: CgroupBackend,
  path: string,
  one: LimitObservation,
  parent: LimitsOptions['parent'],
): Promise<LimitObservation> {
  if (parent === undefined || one.field !== 'cpu.cpuset' || typeof one.asked !== 'string') return one;
  const above = parent.limits['cpu.cpuset'];
  const { fault, ...rest } = one;
  if (above !== undefined && !isWithin(one.asked, above))
    return {
      ...rest,
      due: false,
      fault: `not all of ${one.asked} are among the CPUs of ${describe(parent.ref)}, ${above}`,
    };
  if (fault === undefined) return one;
  const group = path.slice(0, path.lastIndexOf('/'));
  const ofCpus = async (limits: Limits) =>
    (await backend.limits({ path: group, limits })).find(({ field }) => field === 'cpu.cpuset');
  if (!(await ofCpus(parent.limits))?.due) return one;
  const remaining = (await ofCpus({ 'cpu.cpuset': one.asked }))?.fault;
  return remaining === undefined ? { ...rest, due: true } : { ...one, fault: remaining };
}

function refuseFaults(group: AskedOfGroup, faulty: readonly LimitObservation[]): void {
  const [first, ...others] = faulty.map(({ field, fault }) => {
    const at = fieldPath(group, field);
    const resource = group.by && { resource: describe(group.by) };
    return new KukeError('InvalidManifest', `${at}: ${fault}`, { field: at, ...resource });
  });
  if (first !== undefined) throw first.with(others);
}

function tellNotEnforced({ options, note }: PlanContext, group: AskedOfGroup, seen: readonly LimitObservation[]): void {
  const all = seen.filter(({ notEnforced }) => notEnforced !== undefined);
  for (const [reason, same] of Map.groupBy(all, ({ notEnforced }) => notEnforced)) {
    const [field = '', ...more] = same.map(one => fieldPath(group, one.field));
    const which = `${[field, ...more].join(', ')}${group.by ? ` of ${describe(group.by)}` : ''}`;
    if (options.strict) {
      throw new KukeError('HostNotReady', `${which} cannot be enforced: ${reason}`, {
        field,
        remedy: 'make the host able to, take the limit out of the manifest, or leave out --strict',
      });
    }
    note(`${which} ${more.length > 0 ? 'are' : 'is'} not enforced: ${reason}`);
  }
}
