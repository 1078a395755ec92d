/** What holds for all that kuke runs, together, as statuses and `kuke doctor` show it. */
import type { UseBackend } from './backend-operations.ts';
import { CGROUP_ROOT } from './cgroups.ts';
import type { Finding } from './extensible.ts';
import { limitsOf } from './limits/limits.ts';
import { formatBytes } from './limits/quantity.ts';
import { type LimitStatus, statusOf } from './limits/status.ts';
import { type Reserve, readReserve, reserveGroup } from './reserve.ts';

/** The limits of `/kukeon`: what init left of the host, and what somebody wrote there. Throws MetadataCorrupt. */
export async function reserveStatus(use: UseBackend): Promise<LimitStatus[]> {
  const group = reserveGroup(await readReserve(use));
  const seen = await (await use('cgroup')).limits({ path: group.path, limits: limitsOf(group.resources) });
  const shown = seen.map(one => statusOf(one, group));
  return shown.map(one => (one.from === 'spec' ? { ...one, from: 'kuke init' } : one));
}

/** `64Mi of memory, 0.5 CPUs`; undefined: nothing. */
export function reserveText({ memory, cpus }: Reserve): string | undefined {
  const kept = [
    ...(memory === undefined ? [] : [`${formatBytes(memory)} of memory`]),
    ...(cpus === undefined ? [] : [`${cpus} CPU${cpus === 1 ? '' : 's'}`]),
  ];
  return kept.length === 0 ? undefined : kept.join(', ');
}

/** Throws MetadataCorrupt. */
export async function reserveFindings(use: UseBackend): Promise<Finding[]> {
  const kept = reserveText(await readReserve(use));
  return [
    ...(kept === undefined ? [] : [{ level: 'ok', code: 'Reserved', what: `reserved for the host: ${kept}` } as const]),
    ...(await reserveStatus(use)).flatMap(findingsOf),
  ];
}

function findingsOf({ field, value, from, asked, notEnforced }: LimitStatus): Finding[] {
  if (notEnforced !== undefined)
    return [
      {
        level: 'warning',
        code: 'ReserveNotEnforced',
        what: `${field} ${value} of all that kuke runs is not enforced: ${notEnforced}`,
      },
    ];
  if (from !== 'manual') return [];
  const what = byHand(field, value, asked);
  const code = 'ReserveByHand';
  return asked === undefined ? [{ level: 'ok', code, what }] : [{ level: 'warning', code, what, remedy: TAKE_BACK }];
}

export const byHand = (field: string, value: string, asked?: string): string =>
  `${field} of all that kuke runs was set by hand: it is ${value}${asked === undefined ? '' : `, and not ${asked}`}`;

export const TAKE_BACK = `it stays so until init reserves another share, or somebody writes the other value into that file of ${CGROUP_ROOT}`;
