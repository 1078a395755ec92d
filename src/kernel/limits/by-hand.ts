/** What an administrator wrote into files of a group: it stays, and whoever asks for something else is told. */
import type { UseBackend } from '../backend-operations.ts';
import type { LimitObservation } from '../backends/index.ts';
import { CGROUP_ROOT, cgroupPath, observeCgroups } from '../cgroups.ts';
import { KukeError, type Remedy } from '../errors.ts';
import type { PlanContext } from '../planning.ts';
import { type AskedOfGroup, fieldPath } from './asked.ts';
import { formatLimit, type LimitField, type LimitValue } from './limits.ts';

/** Whether values by hand in it last: a container's group goes with its end, and what init has kept is told of by init. */
export async function isByHand(use: UseBackend, context: PlanContext, group: AskedOfGroup): Promise<boolean> {
  const { path, name, isAnew } = group;
  if (path === CGROUP_ROOT || isAnew) return false;
  if (name === undefined) return true;
  return (await observeCgroups(use, context)).some(one => one.path === path && one.populated);
}

/** Whether the command asks for it to be lifted, whoever wrote it. */
export function isLifted(lifted: PlanContext['options']['lifted'], group: AskedOfGroup, field: LimitField): boolean {
  const { path, name } = group;
  const known = name === undefined ? path : `${path.slice(0, path.lastIndexOf('/'))}/${name}`;
  if (lifted === undefined || known.toLowerCase() !== cgroupPath(lifted.ref).toLowerCase()) return false;
  return lifted.fields.some(given => field === given || field.startsWith(`${given}.`));
}

export interface KeptByHand {
  text: string;
  error: KukeError;
}

/** What is asked for and not in force. */
export function keptByHand(group: AskedOfGroup, seen: readonly LimitObservation[]): KeptByHand[] {
  return seen.flatMap(({ field, file, asked, current, manual, due, fault }) => {
    if (!manual || due || asked === undefined || fault !== undefined) return [];
    const at = fieldPath(group, field);
    const whose = group.name === undefined ? '' : ` of \`${group.name}\``;
    const what = `${at} (${formatLimit(field, asked)}) is not in force: ${file}${whose} was set by hand to ${shown(field, current)}`;
    const remedy: Remedy = words =>
      `ask for another value, lift it with \`kuke set resources\` and \`none\` first, or leave out ${words('--strict', '`strict`')}`;
    return [
      {
        text: `${what}, which stays until another value is asked for`,
        error: new KukeError('HostNotReady', what, { field: at, remedy }),
      },
    ];
  });
}

/** What is not asked for any more, and stays since somebody has changed it. */
export function notesOnLifted(seen: readonly LimitObservation[]): string[] {
  return seen.flatMap(({ field, file, asked, current, manual, due }) =>
    !manual || !due || asked !== undefined
      ? []
      : [
          `${field} stays ${shown(field, current)}: ${file} was set by hand; \`kuke set resources\` with \`none\` lifts it`,
        ],
  );
}

export const shown = (field: LimitField, value: LimitValue | undefined): string =>
  value === undefined ? 'no limit' : formatLimit(field, value);
