/** The groups above a group and those below it, where one asks for more than another allows. */
import type { UseBackend } from '../backend-operations.ts';
import type { LimitObservation } from '../backends/index.ts';
import { CGROUP_ROOT, cgroupOwners, cgroupPath, observeCgroups } from '../cgroups.ts';
import { KukeError } from '../errors.ts';
import type { ObserveContext } from '../kinds.ts';
import type { PlanContext } from '../planning.ts';
import { leftByReserve, readReserve } from '../reserve.ts';
import { describe, keyOf, type ResourceRef } from '../resource.ts';
import { type AskedOfGroup, fieldPath } from './asked.ts';
import { type Excess, excesses, type Held, heldBy, outside } from './ceilings.ts';
import { eachLimit, formatLimit, type Limits, limitsFrom, limitsOf } from './limits.ts';
import { RESERVATION } from './reserved.ts';
import type { Resources } from './schema.ts';

/** While planning, what the command brings counts; else what is stored. */
export type LimitContext = ObserveContext & Partial<Pick<PlanContext, 'asked'>>;

/** How many of those below are named. */
const MOST = 5;

/** A group as people know it: `stack main/default/blog`, or by what is declared in a resource: `container side of cell main/default/blog/web`. */
export async function groupName(context: LimitContext, path: string): Promise<string> {
  if (path === CGROUP_ROOT) return 'all that kuke runs';
  const owners = await cgroupOwners(context);
  const asked = context.asked?.(path);
  const ref = asked?.ref ?? owners.get(path)?.ref ?? owners.get(parentOf(path))?.ref;
  if (ref === undefined) return `cgroup ${path}`;
  if (cgroupPath(ref) === path) return describe(ref);
  const part = context.tree.partOf(ref.kind);
  if (part === undefined) return `cgroup ${path}`;
  return `${asked?.name === undefined ? `a ${part}` : `${part} ${asked.name}`} of ${describe(ref)}`;
}

interface ExcessAbove extends Excess {
  /** Of the group that has less. */
  path: string;
}

/** By all above, the nearest first. */
async function excessesAbove(
  use: UseBackend,
  context: LimitContext,
  path: string,
  limits: Limits,
): Promise<ExcessAbove[]> {
  if (eachLimit(limits).length === 0) return [];
  const found: ExcessAbove[] = [];
  for (const above of pathsAbove(path))
    for (const excess of excesses(limits, await heldAt(use, context, above))) found.push({ ...excess, path: above });
  return found;
}

/**
 * What those above make of it: CPUs that they have not are a fault, and a reservation does nothing that is larger than theirs
 * (cgroup-v2.rst, memory.low).
 */
export async function judgedByAbove(
  use: UseBackend,
  context: LimitContext,
  path: string,
  seen: readonly LimitObservation[],
): Promise<LimitObservation[]> {
  const asked = seen.flatMap(({ field, asked: value }) =>
    value !== undefined && field === 'cpu.cpuset' ? [[field, value] as const] : [],
  );
  const [cpus] = await excessesAbove(use, context, path, limitsFrom(asked));
  const low = seen.find(({ field }) => field === RESERVATION)?.asked;
  const less = typeof low === 'number' ? await withLessReserved(use, context, path, low) : [];
  const fault = cpus && `${await groupName(context, cpus.path)} has the CPUs ${cpus.held}`;
  const without = cpus && outside(String(cpus.value), String(cpus.held));
  return seen.map(one => {
    if (one.field === 'cpu.cpuset' && fault !== undefined && one.fault === undefined)
      return { ...one, fault: `${fault}, not ${without}`, due: false };
    if (one.field !== RESERVATION || one.notEnforced !== undefined || less.length === 0) return one;
    return { ...one, notEnforced: `it counts only as far as all above reserve as much; less: ${less.join(', ')}` };
  });
}

/** What its own limits make of it: memory.max comes before what is above it. */
export function judgedByOwn(seen: readonly LimitObservation[]): LimitObservation[] {
  const asked = seen.flatMap(({ field, asked }) => (asked === undefined ? [] : [[field, asked] as const]));
  const over = excesses(limitsFrom(asked), heldBy(seen)).filter(({ field, ceiling }) => field !== ceiling);
  return seen.map(one => {
    const more = over.find(({ field }) => field === one.field);
    if (more === undefined || one.notEnforced !== undefined || one.fault !== undefined) return one;
    return { ...one, notEnforced: `it is more than ${ceilingText(more)}, which holds before it` };
  });
}

/** Those above, the nearest first. One that has no more than another below it has left to it is not to blame. */
async function withLessReserved(
  use: UseBackend,
  context: LimitContext,
  path: string,
  bytes: number,
): Promise<string[]> {
  const texts: string[] = [];
  let needed = bytes;
  for (const above of pathsAbove(path)) {
    const held = (await heldAt(use, context, above)).get(RESERVATION);
    if (typeof held !== 'number' || held >= needed) continue;
    texts.push(await whereText(context, { path: above, field: RESERVATION, value: bytes, ceiling: RESERVATION, held }));
    needed = held;
  }
  return texts;
}

/** Those that hold it down, by field. What `judgedByAbove` tells is not among them. */
export async function notesOnAbove(
  use: UseBackend,
  context: LimitContext,
  group: AskedOfGroup,
  limits: Limits,
): Promise<string[]> {
  const found = await excessesAbove(use, context, group.path, limits);
  const hard = found.filter(({ ceiling }) => ceiling !== RESERVATION && ceiling !== 'cpu.cpuset');
  return excessTexts(context, group, hard, 'it');
}

/**
 * Levels that have less than is reserved in them all together, by their manifest or by hand: the group itself, and those above one that
 * reserves something. Who asks for more than such a level has by itself is told of by `judgedByAbove`.
 */
export async function notesOnShared(use: UseBackend, context: PlanContext, group: AskedOfGroup): Promise<string[]> {
  const own = limitsOf(group.resources)[RESERVATION];
  const notes: string[] = [];
  for (const path of [group.path, ...(own ? pathsAbove(group.path) : [])]) {
    const needed = context.asked.reserved().get(path) ?? 0;
    const held = needed === 0 ? undefined : (await heldAt(use, context, path)).get(RESERVATION);
    if (typeof held !== 'number' || held >= needed || (path !== group.path && (own ?? 0) > held)) continue;
    const [has, needs] = [held, needed].map(bytes => formatLimit(RESERVATION, bytes));
    notes.push(
      `${await groupName(context, path)} reserves ${has} of memory, which those in it share: they ask for ${needs}`,
    );
  }
  return notes;
}

/** `who` has its limits from that resource, in others below it that have less; it and those above it are told of otherwise. */
export async function notesOnInheritors(
  use: UseBackend,
  context: PlanContext,
  giver: ResourceRef,
  defaults: AskedOfGroup,
  who: string,
): Promise<string[]> {
  const top = cgroupPath(giver);
  const found: ExcessAbove[] = [];
  for (const { path } of await observeCgroups(use, context)) {
    const group = path.startsWith(`${top}/`) ? context.asked(path) : undefined;
    if (group?.by === undefined || keyOf(group.by) !== keyOf(giver)) continue;
    const above = await excessesAbove(use, context, path, limitsOf(group.resources));
    found.push(...above.filter(({ path: at, ceiling }) => at.length > top.length && ceiling !== RESERVATION));
  }
  return excessTexts(context, defaults, found, who);
}

/** `who`: is to have it, and cannot. */
async function excessTexts(
  context: LimitContext,
  group: AskedOfGroup,
  found: readonly ExcessAbove[],
  who: string,
): Promise<string[]> {
  const texts = [...Map.groupBy(found, ({ field }) => field)].map(async ([field, same]) => {
    const [value = ''] = same.map(valueText);
    const where = [...new Set(await Promise.all(same.map(one => whereText(context, one))))];
    return `${fieldPath(group, field)} asks for ${value}, which is more than ${who} can have in ${some(where, ' and ')}`;
  });
  return Promise.all(texts);
}

/** Those whose groups are there, as they are to be when the command is done; whoever comes later is told then, as is what is declared with it. */
export async function notesOnBelow(
  use: UseBackend,
  context: PlanContext,
  top: string,
  seen: readonly LimitObservation[],
): Promise<string[]> {
  const held = new Map(heldBy(seen));
  // What those below reserve is told of by `notesOnShared`.
  held.delete(RESERVATION);
  if (held.size === 0) return [];
  const found: { who: string; excess: Excess }[] = [];
  const own = context.asked(top)?.ref;
  for (const { path } of await observeCgroups(use, context)) {
    const group = path.startsWith(`${top}/`) ? context.asked(path) : undefined;
    if (group && own && keyOf(group.ref) === keyOf(own)) continue;
    for (const excess of excesses(limitsOf(group?.resources), held))
      found.push({ who: `${await groupName(context, path)} (${valueText(excess)})`, excess });
  }
  return [...Map.groupBy(found, ({ excess }) => `${excess.field} ${excess.ceiling}`).values()].map(same => {
    const [{ field, here } = { field: '', here: '' }] = same.map(({ excess }) => ({
      field: excess.field,
      here: ceilingText(excess),
    }));
    const names = some(
      same.map(({ who }) => who),
      ', ',
    );
    return `with ${here} here, these ask for a ${field} that they cannot have: ${names}`;
  });
}

/** Before something starts: all that is above it has its limits by then, unless that could not be. Throws HostNotReady. */
export async function refuseUnlimitedAbove(use: UseBackend, context: PlanContext, ref: ResourceRef): Promise<void> {
  const owners = await cgroupOwners(context);
  for (const path of pathsAbove(cgroupPath(ref))) {
    const owner = owners.get(path);
    if (owner?.spec.resources === undefined) continue;
    const { said, seen } = await limitsAt(use, context, path);
    const lacking = seen.find(({ due, field }) => due && !(field === RESERVATION && said[RESERVATION] === undefined));
    if (lacking === undefined) continue;
    throw new KukeError('HostNotReady', `${describe(owner.ref)} has not got its ${lacking.field} yet`, {
      remedy: `apply ${describe(owner.ref)} again`,
    });
  }
}

const valueText = ({ field, value }: Excess): string => formatLimit(field, value);
const ceilingText = ({ ceiling, held }: Excess): string => `${ceiling} ${formatLimit(ceiling, held)}`;
const whereText = async (context: LimitContext, { path, ...excess }: ExcessAbove): Promise<string> =>
  `${await groupName(context, path)} (${ceilingText(excess)})`;

const some = (names: readonly string[], between: string): string =>
  [...names.slice(0, MOST), ...(names.length > MOST ? [`${names.length - MOST} more`] : [])].join(between);

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));

/** `/kukeon/main/default`, `/kukeon/main`, `/kukeon`. */
function pathsAbove(path: string): string[] {
  if (path === CGROUP_ROOT) return [];
  const parent = parentOf(path);
  return [parent, ...pathsAbove(parent)];
}

/** What a group has, or is about to have, also by an administrator's hand. */
async function heldAt(use: UseBackend, context: LimitContext, path: string): Promise<Held> {
  const { said, seen } = await limitsAt(use, context, path);
  // Groups begin with no reservation.
  if (said[RESERVATION] !== undefined) return new Map([[RESERVATION, 0], ...heldBy(seen)]);
  const held = new Map(heldBy(seen));
  const low = seen.find(({ field }) => field === RESERVATION);
  held.delete(RESERVATION);
  if (low?.manual) return held.set(RESERVATION, low.current ?? 0);
  // It will have been given what those in it reserve.
  if (context.asked !== undefined) return held;
  // What was asked for is compared: the kernel has rounded it.
  const given = low && (await (await use('cgroup')).asked(path))?.[RESERVATION];
  return held.set(RESERVATION, given ?? 0);
}

interface LimitsAt {
  said: Limits;
  seen: LimitObservation[];
}

async function limitsAt(use: UseBackend, context: LimitContext, path: string): Promise<LimitsAt> {
  const said = limitsOf(await resourcesAt(use, context, path));
  const seen = await context.once(`limits ${path} ${JSON.stringify(said)}`, async () =>
    (await use('cgroup')).limits({ path, limits: said }),
  );
  return { said, seen };
}

async function resourcesAt(use: UseBackend, context: LimitContext, path: string): Promise<Resources | undefined> {
  if (path === CGROUP_ROOT) return leftByReserve(await readReserve(use));
  if (context.asked !== undefined) return context.asked(path)?.resources;
  return (await cgroupOwners(context)).get(path)?.spec.resources as Resources | undefined;
}
