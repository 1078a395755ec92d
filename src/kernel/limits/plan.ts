/** Limits in a plan: what makes no sense here, what the host cannot enforce, what those above do not allow, and whether anything is due. */
import type { UseBackend } from '../backend-operations.ts';
import type { LimitObservation } from '../backends/index.ts';
import { KukeError } from '../errors.ts';
import type { PlanContext, Verb } from '../planning.ts';
import { describe } from '../resource.ts';
import { judgedByAbove, judgedByOwn, notesOnAbove, notesOnBelow, notesOnShared } from './above-and-below.ts';
import { type AskedOfGroup, faultPath, fieldPath } from './asked.ts';
import { isByHand, isLifted, keptByHand, notesOnLifted } from './by-hand.ts';
import { eachLimit, type LimitField, type Limits, limitsOf } from './limits.ts';
import { apart, withReserved } from './reserved.ts';

export interface LimitsToGive {
  limits: Limits;
  /** They differ from what the group has. */
  due: boolean;
  /** They make no sense here any more, and stay as they are. */
  leave: LimitField[];
  /** They are written though somebody has set them by hand. */
  take: LimitField[];
}

/**
 * Throws InvalidManifest, with the path of the field, for what makes no sense on this host, and with `--strict` HostNotReady for what it
 * cannot enforce; all of it at once. What is due without anybody asking is given as far as it makes sense, and nothing is said: a disk
 * that is gone keeps no memory from being limited. So it is where something is to be stopped.
 */
export async function checkLimits(use: UseBackend, context: PlanContext, group: AskedOfGroup): Promise<LimitsToGive> {
  const backend = await use('cgroup');
  const said = limitsOf(group.resources);
  const { path } = group;
  const limits = withReserved(said, context.asked.reserved().get(path));
  const isTaken = (field: LimitField) => isLifted(context.options.lifted, group, field);
  // Most have none, and then one look is enough.
  if (isNone(limits) && isNone((await backend.asked(path)) ?? {}) && context.options.lifted === undefined)
    return { limits, due: false, leave: [], take: [] };
  const { own, given } = apart(await backend.limits({ path, limits }), said);
  const seen = await judgedByAbove(use, context, path, judgedByOwn(own));
  // What an administrator wrote by hand stays, whatever is reserved below it.
  const take = [...own, ...(given ? [given] : [])]
    .filter(one => one.manual && isTaken(one.field))
    .map(one => one.field);
  const isKept = given?.manual === true && !take.includes(given.field);
  const kept: LimitField[] = isKept ? [given.field] : [];
  const due =
    seen.some(one => one.due && one.fault === undefined) || (given?.due === true && !isKept) || take.length > 0;
  if (LENIENT.has(context.options.verb)) {
    const faulty = seen.filter(({ fault }) => fault !== undefined).map(({ field }) => field);
    return { limits, due, leave: [...faulty, ...kept], take };
  }
  const lacks = notEnforced(group, seen);
  const byHand = (await isByHand(use, context, group)) ? seen.filter(one => !take.includes(one.field)) : [];
  const others = keptByHand(group, byHand);
  const unmet = [...lacks.map(unenforceable), ...others.map(one => one.error)];
  refuse([...faults(group, seen), ...(context.options.strict === true ? unmet : [])]);
  for (const { which, isOne, reason } of lacks)
    context.note(`${which} ${isOne ? 'is' : 'are'} not enforced: ${reason}`);
  for (const { text } of others) context.note(text);
  for (const note of notesOnLifted(byHand)) context.note(note);
  for (const note of await notesOnAbove(use, context, group, said)) context.note(note);
  for (const note of await notesOnShared(use, context, group)) context.note(note);
  if (due) for (const note of await notesOnBelow(use, context, path, seen)) context.note(note);
  return { limits, due, leave: kept, take };
}

/** Nobody is kept from stopping what has a limit that makes no sense any more. */
export const LENIENT: ReadonlySet<Verb> = new Set<Verb>(['settle', 'stop', 'kill']);

const isNone = (limits: Limits): boolean => eachLimit(limits).length === 0;

function refuse([first, ...others]: readonly KukeError[]): void {
  if (first !== undefined) throw first.with(others);
}

function faults(group: AskedOfGroup, seen: readonly LimitObservation[]): KukeError[] {
  const said = seen.flatMap(({ field, fault }) => (fault === undefined ? [] : [[faultPath(group, field), fault]]));
  // What is wrong with a device is wrong with each of its rates.
  const each = new Map(said.map(([at = '', fault = '']) => [`${at}: ${fault}`, at]));
  const resource = group.by && { resource: describe(group.by) };
  return [...each].map(([message, field]) => new KukeError('InvalidManifest', message, { field, ...resource }));
}

interface Lack {
  /** `spec.resources.memory.limit, spec.resources.memory.high` */
  which: string;
  isOne: boolean;
  field: string;
  reason: string;
  /** Who says it, where that is another resource. */
  resource?: string;
}

function notEnforced(group: AskedOfGroup, seen: readonly LimitObservation[]): Lack[] {
  const all = seen.filter(one => one.notEnforced !== undefined);
  return [...Map.groupBy(all, one => one.notEnforced ?? '')].map(([reason, same]) => {
    const [field = '', ...more] = same.map(one => fieldPath(group, one.field));
    const resource = group.by && describe(group.by);
    const which = `${[field, ...more].join(', ')}${resource ? ` of ${resource}` : ''}`;
    return { which, isOne: more.length === 0, field, reason, ...(resource && { resource }) };
  });
}

const unenforceable = ({ which, field, reason, resource }: Lack): KukeError =>
  new KukeError('HostNotReady', `${which} cannot be enforced: ${reason}`, {
    field,
    ...(resource && { resource }),
    remedy: words =>
      `make the host able to, take the limit out of the manifest, or leave out ${words('--strict', '`strict`')}`,
  });
