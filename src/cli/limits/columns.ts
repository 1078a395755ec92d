/** Limits and use of any kind of resource, as columns of a table: `kuke get --resources`. */
import type { CgroupUsage } from '../../kernel/backends/index.ts';
import { CGROUP_ROOT, groupOf } from '../../kernel/cgroups.ts';
import type { Column, Resource } from '../../kernel/kinds.ts';
import type { LimitStatus } from '../../kernel/limits/status.ts';
import { embedded } from '../../kernel/observe.ts';
import type { Kernel } from '../../kernel/registry.ts';
import { nameOf } from '../../kernel/resource.ts';
import { count, shortBytes } from '../top/figures.ts';

export async function limitColumns(kernel: Kernel): Promise<Column[]> {
  const groups = await (await kernel.use('cgroup')).usage(CGROUP_ROOT);
  const byPath = new Map(groups.map(group => [group.path, group]));
  const useOf = (resource: Resource): Partial<CgroupUsage> => byPath.get(groupOf(kernel.kinds, resource) ?? '') ?? {};
  const fields = (wanted: (limit: LimitStatus) => boolean) => (resource: Resource) =>
    fieldsText(limitsIn(kernel, resource), wanted);
  return [
    { header: 'CPU-LIMIT', value: resource => limitText(resource, 'cpu.limit') },
    {
      header: 'MEMORY',
      value(resource) {
        const { memory } = useOf(resource);
        return `${shortBytes(memory?.current)}${memory?.limit === undefined ? '' : `/${shortBytes(memory.limit)}`}`;
      },
    },
    { header: 'PIDS', value: resource => count(useOf(resource).pids) },
    {
      header: 'OTHER-LIMITS',
      wide: true,
      value: resource => fieldsText(limitsOf(resource), one => !isShown(one) && !isNotEnforced(one)),
    },
    { header: 'MANUAL', wide: true, value: fields(({ from }) => from === 'manual') },
    { header: 'NOT-ENFORCED', value: fields(isNotEnforced) },
    { header: 'WHY', wide: true, value: resource => whyText(limitsIn(kernel, resource)) },
  ];
}

interface Limit extends LimitStatus {
  /** The container that has it, where that is not what is asked about. */
  of?: string;
}

/** As the kernel writes them; a plugin's kind may have none. */
function limitsOf({ manifest }: Resource): Limit[] {
  const resources = manifest.status?.resources;
  return Array.isArray(resources) ? (resources as LimitStatus[]) : [];
}

/** Its own, and those of what it declares. */
function limitsIn(kernel: Kernel, resource: Resource): Limit[] {
  const parts = kernel.kinds.all().filter(kind => kind.embedded !== undefined && kind.parent === resource.ref.kind);
  const declared = parts.flatMap(({ kind }) => embedded(kernel, kind, [resource]));
  return [resource, ...declared].flatMap(one =>
    limitsOf(one).map(limit => (one === resource ? limit : { ...limit, of: nameOf(one.ref) })),
  );
}

const isNotEnforced = ({ notEnforced }: LimitStatus): boolean => notEnforced !== undefined;

/** In a column of its own. */
const isShown = ({ field }: LimitStatus): boolean => ['cpu.limit', 'memory.limit', 'pids.limit'].includes(field);

function limitText(resource: Resource, field: string): string {
  const found = limitsOf(resource).find(one => one.field === field && !isNotEnforced(one));
  return found?.value ?? '-';
}

/** `memory.limit=64Mi,side:pids.limit=9`: the one of the container side. */
function fieldsText(limits: readonly Limit[], wanted: (limit: LimitStatus) => boolean): string {
  const found = limits.filter(wanted);
  return found.map(({ of, field, value }) => `${of === undefined ? '' : `${of}:`}${field}=${value}`).join(',') || '-';
}

function whyText(limits: readonly Limit[]): string {
  const reasons = limits.flatMap(({ notEnforced }) => notEnforced ?? []);
  return [...new Set(reasons)].join('; ') || '-';
}
