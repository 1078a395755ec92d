/** The groups above a group and those below it, where one asks for more than another allows. */
import type { UseBackend } from '../backend-operations.ts';
import type { LimitObservation } from '../backends/index.ts';
import { CGROUP_ROOT, cgroupOwners, cgroupPath, observeCgroups } from '../cgroups.ts';
import { KukeError } from '../errors.ts';
import type { ObserveContext, Resource } from '../kinds.ts';
import { leftByReserve, readReserve } from '../reserve.ts';
import { describe, type ResourceRef } from '../resource.ts';
import { type AskedOfGroup, fieldPath } from './asked.ts';
import { type Excess, excesses, type Held, heldBy } from './ceilings.ts';
import { eachLimit, formatLimit, type Limits, limitsOf } from './limits.ts';
import type { Resources } from './schema.ts';

/** How many of those below are named. */
const MOST = 5;

/** A group as people know it: `stack main/default/blog`, or what in it is no resource's: `a container of cell main/default/blog/web`. */
export async function groupName(context: ObserveContext, path: string): Promise<string> {
  if (path === CGROUP_ROOT) return 'all that kuke runs';
  const owners = await cgroupOwners(context);
  const name = (owner: Resource | undefined) => owner && describe(owner.ref);
  const parent = name(owners.get(parentOf(path)));
  return name(owners.get(path)) ?? (parent === undefined ? `cgroup ${path}` : `a container of ${parent}`);
}

/** `parent`: the resource of the group right above, and the limits that the same plan gives it. */
export async function notesOnAbove(
  use: UseBackend,
  context: ObserveContext,
  group: AskedOfGroup,
  limits: Limits,
  parent?: { ref: ResourceRef; limits: Limits },
): Promise<string[]> {
  if (eachLimit(limits).length === 0) return [];
  const found: { where: string; excess: Excess }[] = [];
  for (const path of pathsAbove(group.path)) {
    const planned = path === parentOf(group.path) ? parent : undefined;
    const name = planned === undefined ? await groupName(context, path) : describe(planned.ref);
    for (const excess of excesses(limits, await heldAt(use, context, path, planned?.limits)))
      found.push({ where: `${name} (${ceilingText(excess)})`, excess });
  }
  const isReserve = ({ excess }: (typeof found)[number]) => excess.ceiling === 'memory.reservation';
  const [reserve, hard] = [found.filter(isReserve), found.filter(one => !isReserve(one))];
  const counts = reserve.slice(0, 1).map(({ excess: { field } }) => {
    const where = reserve.map(one => one.where).join(', ');
    return `${fieldPath(group, field)} counts only as far as all above reserve as much, and these reserve less: ${where}`;
  });
  const notes = [...Map.groupBy(hard, ({ excess }) => excess.field)].map(([field, same]) => {
    const [value = ''] = same.map(({ excess }) => valueText(excess));
    const where = [...new Set(same.map(one => one.where))].join(' and ');
    return `${fieldPath(group, field)} asks for ${value}, which is more than it can have in ${where}`;
  });
  return [...notes, ...counts];
}

/** Those whose groups are there, as they asked when they were made; whoever comes later is told then. */
export async function notesOnBelow(
  use: UseBackend,
  context: ObserveContext,
  top: string,
  seen: readonly LimitObservation[],
): Promise<string[]> {
  const held = heldBy(seen);
  if (held.size === 0) return [];
  const backend = await use('cgroup');
  const found: { who: string; excess: Excess }[] = [];
  for (const { path } of await observeCgroups(use, context)) {
    const asked = path.startsWith(`${top}/`) ? await backend.asked(path) : undefined;
    for (const excess of excesses(asked ?? {}, held))
      found.push({ who: `${await groupName(context, path)} (${valueText(excess)})`, excess });
  }
  return [...Map.groupBy(found, ({ excess }) => `${excess.field} ${excess.ceiling}`).values()].map(same => {
    const [{ field, here } = { field: '', here: '' }] = same.map(({ excess }) => ({
      field: excess.field,
      here: ceilingText(excess),
    }));
    const names = same.slice(0, MOST).map(({ who }) => who);
    const rest = same.length > MOST ? [`${same.length - MOST} more`] : [];
    return `with ${here} here, these ask for a ${field} that they cannot have: ${[...names, ...rest].join(', ')}`;
  });
}

/** Before something starts: all that is above it has its limits by then, unless that could not be. Throws HostNotReady. */
export async function refuseUnlimitedAbove(use: UseBackend, context: ObserveContext, ref: ResourceRef): Promise<void> {
  const owners = await cgroupOwners(context);
  for (const path of pathsAbove(cgroupPath(ref))) {
    const owner = owners.get(path);
    if (owner?.spec.resources === undefined) continue;
    const lacking = (await limitsAt(use, context, path)).find(({ due }) => due);
    if (lacking === undefined) continue;
    throw new KukeError('HostNotReady', `${describe(owner.ref)} has not got its ${lacking.field} yet`, {
      remedy: `apply ${describe(owner.ref)} again`,
    });
  }
}

const valueText = ({ field, value }: Excess): string => formatLimit(field, value);
const ceilingText = ({ ceiling, held }: Excess): string => `${ceiling} ${formatLimit(ceiling, held)}`;

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));

/** `/kukeon/main/default`, `/kukeon/main`, `/kukeon`. */
function pathsAbove(path: string): string[] {
  if (path === CGROUP_ROOT) return [];
  const parent = parentOf(path);
  return [parent, ...pathsAbove(parent)];
}

/** What a group has, also by an administrator's hand. */
async function heldAt(use: UseBackend, context: ObserveContext, path: string, planned?: Limits): Promise<Held> {
  const seen =
    planned === undefined
      ? await limitsAt(use, context, path)
      : await (await use('cgroup')).limits({ path, limits: planned });
  // What a group reserves counts as far as all above it reserve as much (cgroup-v2.rst, memory.low), and they begin with none.
  return new Map([['memory.reservation', 0], ...heldBy(seen)]);
}

/** Of a group above: it has been applied by now. */
async function limitsAt(use: UseBackend, context: ObserveContext, path: string): Promise<LimitObservation[]> {
  return context.once(`limits ${path}`, async () => {
    const owner = (await cgroupOwners(context)).get(path);
    const resources =
      path === CGROUP_ROOT ? leftByReserve(await readReserve(use)) : (owner?.spec.resources as Resources | undefined);
    return (await use('cgroup')).limits({ path, limits: limitsOf(resources) });
  });
}
